/** What the functions on lines find, in lines as programs write them. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { lockdownStatements } from './lockdown.ts'
import { createMacros } from './macros.ts'

let connection: DuckDBConnection

before(async () => {
  connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  for (const statement of [createMacros, ...lockdownStatements]) await connection.run(statement)
})
after(() => connection.closeSync())

async function resultOf(expression: string, line: string | null, ...more: (string | number)[]): Promise<unknown> {
  const reader = await connection.runAndReadAll(`SELECT ${expression}`, [line, ...more])
  return reader.getRowsJson()[0]?.[0]
}

/** The first matches, to the one that is not there. */
async function all(name: string, line: string): Promise<unknown[]> {
  const found: unknown[] = []
  for (let nth = 1; ; nth++) {
    const value = await resultOf(`${name}($1::VARCHAR, $2::INTEGER)`, line, nth)
    if (value === null) return found
    found.push(value)
  }
}

const chrome =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
const apache = `203.0.113.7 - frank [10/Oct/2025:13:55:36 -0700] "GET /a?q=\\"x\\" HTTP/1.1" 200 2326 "https://example.com/start.html" "${chrome}"`
const nginxError =
  '2026/01/31 10:00:00 [error] 1234#0: *7 upstream timed out, client: 2001:db8::8:800:200c:417a, server: example.org, request: "GET / HTTP/1.1", upstream: "http://10.0.0.5:8080/", host: "example.org:443"'

test('addresses: both versions, with ports and brackets, and nothing that only looks like one', async () => {
  const cases: readonly [string, string[]][] = [
    [apache, ['203.0.113.7']],
    [nginxError, ['2001:db8::8:800:200c:417a', '10.0.0.5']],
    ['from 10.0.0.1:5432 to [::1]:443, via 192.168.0.1.', ['10.0.0.1', '::1', '192.168.0.1']],
    [
      '10.0.0.0/8,/127.0.0.1:80 fe80::1%eth0;::ffff:192.0.2.128',
      ['10.0.0.0', '127.0.0.1', 'fe80::1', '::ffff:192.0.2.128'],
    ],
    ['src=1.2.3.4 dst=255.255.255.255', ['1.2.3.4', '255.255.255.255']],
    [
      '2001:0db8:0000:0000:0000:ff00:0042:8329 and 2001:db8::',
      ['2001:0db8:0000:0000:0000:ff00:0042:8329', '2001:db8::'],
    ],
    ['64:ff9b::192.0.2.33: reset', ['64:ff9b::192.0.2.33']],
    ['v1.2.3.4 1.2.3.4.5 256.1.1.1 1.2.3 12:34:56 00:1a:2b:3c:4d:5e std::vector 1:2:3:4:5:6:7:8:9', []],
    ['', []],
  ]
  for (const [line, found] of cases) assert.deepEqual(await all('line_ip', line), found, line)
})

test('addresses of mail, also of other alphabets', async () => {
  const cases: readonly [string, string[]][] = [
    ["to=<anna.o'neil+news@mail.example.co.uk>, relay=x@y", ["anna.o'neil+news@mail.example.co.uk"]],
    ['用户@例子.公司 grüße@müller.de.', ['用户@例子.公司', 'grüße@müller.de']],
    ['a@b.de,c@d.fr;"e@f.it"', ['a@b.de', 'c@d.fr', 'e@f.it']],
    ['@user user@ user@host git@1.2.3.4', []],
  ]
  for (const [line, found] of cases) assert.deepEqual(await all('line_email', line), found, line)
})

test('URLs end before the punctuation of the sentence and the quote', async () => {
  const cases: readonly [string, string[]][] = [
    [apache, ['https://example.com/start.html']],
    [
      'see http://a.de/x, (https://b.de/y?q=1&r=%20#z). wss://c.de:8443/!',
      ['http://a.de/x', 'https://b.de/y?q=1&r=%20#z', 'wss://c.de:8443/'],
    ],
    [
      'https://en.wikipedia.org/wiki/Alien_(film) http://[2001:db8::1]:80/x',
      ['https://en.wikipedia.org/wiki/Alien_(film)', 'http://[2001:db8::1]:80/x'],
    ],
    ['https://例子.公司/路径', ['https://例子.公司/路径']],
    ['http:// mailto:a@b.de xhttp ://x', []],
  ]
  for (const [line, found] of cases) assert.deepEqual(await all('line_url', line), found, line)
})

test('phone numbers of any country with +, and of North America', async () => {
  const cases: readonly [string, string[]][] = [
    [
      'call +49 (30) 123456-78 or (212) 555-0123, 212-555-0199',
      ['+49 (30) 123456-78', '(212) 555-0123', '212-555-0199'],
    ],
    ['tel:+14155552671', []],
    ['phone=+14155552671;', ['+14155552671']],
    ['2026-01-31 10:00:00 1234567890 10.0.0.1 +1 2 id=1-212-555-0199', []],
  ]
  for (const [line, found] of cases) assert.deepEqual(await all('line_phone', line), found, line)
})

test('quoted texts without their quotes and escapes', async () => {
  const cases: readonly [string, string[]][] = [
    [apache, ['GET /a?q="x" HTTP/1.1', 'https://example.com/start.html', chrome]],
    [`msg='it\\'s "here"' user="Zoë \\\\ 💡" ""`, [`it's "here"`, 'Zoë \\ 💡', '']],
    ["don't say it's 'so'", ['so']],
    ['"never closed', []],
    ['"a\nb"', ['a\nb']],
  ]
  for (const [line, found] of cases) assert.deepEqual(await all('line_quoted', line), found, line)
})

test('dates of the usual forms as moments', async () => {
  const cases: readonly [string, string[]][] = [
    [apache, ['2025-10-10 20:55:36+00']],
    [nginxError, ['2026-01-31 10:00:00+00']],
    [
      '{"ts":"2026-01-31T10:11:12.123456789Z","due":"2026-02-01"}',
      ['2026-01-31 10:11:12.123456+00', '2026-02-01 00:00:00+00'],
    ],
    [
      '2026-01-31 10:11:12,345 +05:30 | 2026-01-31T10:11-0800',
      ['2026-01-31 04:41:12.345+00', '2026-01-31 18:11:00+00'],
    ],
    ['Date: Sat, 31 Jan 2026 10:11:12 GMT; 24/Jul/2017', ['2026-01-31 10:11:12+00', '2017-07-24 00:00:00+00']],
    ['[Sat Jan 31 10:11:12.345678 2026] [core:error]', ['2026-01-31 10:11:12.345678+00']],
    ['*Jan  3 2026 10:11:12: %LINK-3-UPDOWN', ['2026-01-03 10:11:12+00']],
    [
      '2016-12-31T23:59:60Z, 2024-02-29, 2023-02-29, 2026-13-01, 2026-01-31T25:00:00Z',
      ['2016-12-31 23:59:59+00', '2024-02-29 00:00:00+00'],
    ],
    ['Jan 31 10:11:12 host sshd[7]: 12026-01-311', []],
  ]
  for (const [line, found] of cases) assert.deepEqual(await all('line_date', line), found, line)
})

test('a date without a year is the last such day before the moment given, or the day after it', async () => {
  const near = (line: string, moment: string) => resultOf('line_date($1::VARCHAR, 1, $2::TIMESTAMPTZ)', line, moment)
  const line = '<34>Dec 31 23:59:59 host su: failed'
  assert.equal(await near(line, '2026-01-01T00:00:10Z'), '2025-12-31 23:59:59+00')
  assert.equal(await near(line, '2026-12-31T12:00:00Z'), '2026-12-31 23:59:59+00')
  assert.equal(await near('Jan  1 00:00:05 h', '2025-12-31T23:59:58Z'), '2025-01-01 00:00:05+00')
  assert.equal(await near('Feb 29 10:00:00 h', '2024-03-01T00:00:00Z'), '2024-02-29 10:00:00+00')
  assert.equal(await near('Feb 29 10:00:00 h', '2026-03-01T00:00:00Z'), null)
  assert.equal(await near(apache, '2026-01-01T00:00:00Z'), '2025-10-10 20:55:36+00')
})

test('what a User-Agent tells', async () => {
  const cases: readonly [text: string, ...fields: (string | null)[]][] = [
    [chrome, 'Chrome', '126.0.0.0', 'Windows', '10', 'desktop'],
    [`${chrome} Edg/126.0.2592.61`, 'Edge', '126.0.2592.61', 'Windows', '10', 'desktop'],
    [`${chrome} OPR/111.0.0.0`, 'Opera', '111.0.0.0', 'Windows', '10', 'desktop'],
    [
      'Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
      'Firefox',
      '127.0',
      'Linux',
      null,
      'desktop',
    ],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15',
      'Safari',
      '17.4',
      'macOS',
      '10.15.7',
      'desktop',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1',
      'Chrome',
      '126.0.6478.54',
      'iOS',
      '17.5',
      'mobile',
    ],
    [
      'Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1',
      'Safari',
      '16.6',
      'iOS',
      '16.6',
      'tablet',
    ],
    [
      'Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36',
      'Samsung Internet',
      '25.0',
      'Android',
      '14',
      'mobile',
    ],
    [
      'Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
      'Chrome',
      '126.0.0.0',
      'Android',
      '13',
      'tablet',
    ],
    [
      'Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko',
      'Internet Explorer',
      '11.0',
      'Windows',
      '7',
      'desktop',
    ],
    [
      'Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
      'Chrome',
      '126.0.0.0',
      'ChromeOS',
      '14541.0.0',
      'desktop',
    ],
    ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'Googlebot', '2.1', null, null, 'bot'],
    ['Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)', 'bingbot', '2.0', null, null, 'bot'],
    [
      'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
      'facebookexternalhit',
      '1.1',
      null,
      null,
      'bot',
    ],
    [
      'Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36',
      'Chrome',
      '126.0.0.0',
      'Android',
      '11',
      'mobile',
    ],
    ['curl/8.7.1', 'curl', '8.7.1', null, null, 'tool'],
    ['python-requests/2.32.3', 'python-requests', '2.32.3', null, null, 'tool'],
    ['Go-http-client/1.1', 'Go-http-client', '1.1', null, null, 'tool'],
  ]
  for (const [text, name, version, os, osVersion, device] of cases) {
    const expected = { text, name, version, os, os_version: osVersion, device }
    for (const line of [text, `1.2.3.4 "GET / HTTP/1.1" 200 "-" "${text}"`]) {
      assert.deepEqual(await resultOf('line_user_agent($1::VARCHAR)', line), expected, line)
    }
  }
  assert.equal(await resultOf('line_user_agent($1::VARCHAR).name', apache), 'Chrome')
  assert.equal(await resultOf('line_user_agent($1::VARCHAR)', 'GET / HTTP/1.1 "HTTP/1.1"'), null)
  assert.equal(await resultOf('line_user_agent($1::VARCHAR, 2)', apache), null)
})

test('NULL gives NULL, a match that is not there too, and -1 is the last', async () => {
  for (const name of ['ip', 'email', 'url', 'phone', 'quoted', 'date', 'user_agent']) {
    assert.equal(await resultOf(`line_${name}($1::VARCHAR)`, null), null, name)
    assert.equal(await resultOf(`line_${name}($1::VARCHAR, 2)`, null), null, name)
    assert.equal(await resultOf(`line_${name}($1::VARCHAR)`, 'nothing here 💡'), null, name)
    for (const nth of ['0', '-1', '2', 'NULL', '9223372036854775807', '-9223372036854775808']) {
      assert.equal(await resultOf(`line_${name}($1::VARCHAR, ${nth})`, ''), null, `${name} ${nth}`)
    }
  }
  assert.equal(await resultOf('line_ip($1::VARCHAR, -1)', '1.1.1.1 2.2.2.2 3.3.3.3'), '3.3.3.3')
  assert.equal(await resultOf('line_ip($1::VARCHAR, 0)', '1.1.1.1'), null)
})

test('lines of a megabyte, of nothing but beginnings or of many matches, are no trouble', async () => {
  const names = ['ip', 'email', 'url', 'phone', 'quoted', 'date', 'user_agent']
  const megabyte = (piece: string, bytes = 2 ** 20) => piece.repeat(Math.ceil(bytes / piece.length))
  const anyFound = names.map(name => `line_${name}(line) IS NOT NULL`).join(' OR ')
  for (const piece of [
    '1.',
    ':',
    'a@',
    'http://',
    '+1',
    '"',
    "='",
    '2026-',
    'Jan 31 ',
    'Mozilla/5.0 (',
    '\\"',
    'é💡',
  ]) {
    const found = await resultOf(`(${anyFound}) FROM (SELECT $1::VARCHAR AS line)`, megabyte(piece, 2 ** 17))
    assert.equal(typeof found, 'boolean', piece)
  }
  assert.equal(await resultOf('line_ip($1::VARCHAR, 60000)', megabyte('10.20.30.40:80 ')), '10.20.30.40')
  assert.equal(await resultOf('line_ip($1::VARCHAR, -1)', `${megabyte('x ')}10.20.30.40`), '10.20.30.40')
})

test('they can be used wherever an expression can, within each other too', async () => {
  const reader = await connection.runAndReadAll(`
    WITH lines(line) AS (VALUES ('1.1.1.1 a@b.de'), ('1.1.1.1 "2.2.2.2"'), (NULL))
    SELECT line_ip(line) AS ip, count(*), max(line_ip(line_quoted(line))) FROM lines WHERE line_ip(line) IS NOT NULL GROUP BY ip HAVING count(line_ip(line)) > 1`)
  assert.deepEqual(reader.getRowsJson(), [['1.1.1.1', '2', '2.2.2.2']])
})
