/** The program `blasty` as its users run it, against a running facade. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openScene, type Scene } from './scene.ts'
import { eventually, type Output, type Setting } from './setting.ts'

const program = fileURLToPath(new URL('../../cli/blasty.ts', import.meta.url))

const shops = {
  columns: [
    { name: 'town', type: 'String' },
    { name: 'number', type: 'Int32' },
    { name: 'name', type: 'String' },
    { name: 'opened', type: 'Date' },
    { name: 'takings', type: 'Decimal', precision: 12, scale: 2 },
    { name: 'picture', type: 'Blob' },
  ],
  primaryKey: ['town', 'number'],
}
const events = {
  columns: [
    { name: 'at', type: 'Timestamp' },
    { name: 'n', type: 'Int64' },
    { name: 'line', type: 'String' },
    { name: 'ratio', type: 'Double' },
    { name: 'raw', type: 'Bytes' },
    { name: 'counts', type: 'Array', items: { type: 'Int64' } },
    { name: 'place', type: 'GeoPoint' },
    { name: 'extra', type: 'JSON' },
  ],
}
const odd = {
  at: '2026-01-31T12:00:00.000001Z',
  n: '9223372036854775807',
  line: 'a "b", c\n\\ 💡',
  ratio: 'NaN',
  raw: 'AP8=',
  counts: ['9223372036854775807', '-1'],
  place: { lat: 1.5, lon: -2 },
  extra: { a: [1, null] },
}
const none = { at: null, n: '1', line: '', ratio: -0.5, raw: null, counts: [], place: null, extra: null }

export function describeCli(opened: () => Setting): void {
  describe('the command line', () => {
    let scene: Scene
    let folder = ''
    let env: Record<string, string> = {}
    const start = (args: readonly string[], more: Record<string, string> = {}): ChildProcess =>
      spawn(process.execPath, [program, ...args], { env: { PATH: process.env.PATH, HOME: folder, ...env, ...more } })
    const run = async (args: readonly string[], input = '', more: Record<string, string> = {}): Promise<Output> => {
      const child = start(args, more)
      assert.ok(child.stdin && child.stdout && child.stderr)
      // A command that fails early does not read what it is given.
      child.stdin.on('error', () => {})
      child.stdin.end(input)
      const closed = once(child, 'close')
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
      const [code] = await closed
      return { code: Number(code), stdout, stderr }
    }
    const ok = async (args: readonly string[], input = '') => {
      const { code, stdout, stderr } = await run(args, input)
      assert.equal(code, 0, `blasty ${args.join(' ')}: ${stderr}`)
      return { stdout, stderr }
    }
    const rowsOf = (stdout: string): unknown[] =>
      stdout.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]))
    const tokenOf = (stdout: string): string => String(Reflect.get(Object(rowsOf(stdout)[0]), 'token'))
    const file = async (name: string, content: string) => {
      const path = join(folder, name)
      await writeFile(path, content)
      return path
    }

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'blasty-cli-'))
      scene = await openScene(opened())
      await scene.apply(
        { kind: 'Table', name: 'shops', spec: shops },
        ...['events', 'copy'].map(name => ({ kind: 'Table' as const, name, spec: events })),
      )
      for (const name of ['shops', 'events', 'copy']) await scene.wait(`table/${name}`)
      const { token } = await scene.owner('shops', 'events', 'copy')
      env = { BLASTY_SERVER: `http://${opened().grpc}`, BLASTY_TOKEN: token, BLASTY_NAMESPACE: scene.namespace }
    })
    after(async () => {
      await scene?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    it('lists tables and columns', async () => {
      const { stdout } = await ok(['tables', '-o', 'csv'])
      assert.match(stdout, /^namespace,table,ready,service\n/)
      assert.match(stdout, new RegExp(`${scene.namespace},shops,true,blasty\\.tables\\.`))
      const columns = await ok(['tables', 'shops', '-o', 'json'])
      assert.deepEqual(rowsOf(columns.stdout)[4], {
        column: 'takings',
        type: 'Decimal(12, 2)',
        required: false,
        key: false,
      })
      assert.match((await ok(['tables'])).stdout, /│ *shops *│/)
    })

    it('puts rows, gets them by key, by prefix and by SQL, and tells which are missing', async () => {
      const rows = [1, 2, 3].map(number =>
        JSON.stringify({ town: 'Ulm', number, name: `"${number}"`, takings: number }),
      )
      const put = await ok(['put', 'shops', ...rows])
      await ok(['put', 'shops'], `{"town":"Uhl","number":1}\n\n{"town":"Bonn","number":-1,"opened":"2026-01-31"}\n`)
      const token = ['--min-token', tokenOf(put.stdout)]
      const one = await ok(['get', 'shops', 'town=Ulm,number=2', '-o', 'json', ...token])
      assert.partialDeepStrictEqual(rowsOf(one.stdout)[0] as object, { town: 'Ulm', name: '"2"', takings: '2.00' })
      const some = await run(['get', 'shops', '{"town":"Ulm","number":3}', 'town=Ulm,number=9', '-o', 'csv'])
      assert.equal(some.code, 3)
      assert.match(some.stdout, /^town,number,name,opened,takings,picture,_revision\nUlm,3,"""3""",,3\.00,,\d+\n$/)
      assert.match(some.stderr, /no row has the key town=Ulm,number=9/)
      const numbers = async (...args: string[]) =>
        rowsOf((await ok(['get', 'shops', '-o', 'json', ...args])).stdout).map(row =>
          Reflect.get(Object(row), 'number'),
        )
      assert.deepEqual(await numbers('--prefix', 'town=Ulm', '--limit', '2'), [1, 2])
      assert.deepEqual(await numbers('--starts-with', 'U'), [1, 1, 2, 3])
      assert.deepEqual(await numbers('--after', 'town=Ulm,number=1'), [2, 3])
      const sql = await ok([
        'sql',
        "SELECT count(*) AS n, sum(takings) AS t FROM shops WHERE town = 'Ulm'",
        '-o',
        'json',
        ...token,
      ])
      assert.deepEqual(rowsOf(sql.stdout), [{ n: '3', t: '6.00' }])
      const asOf = async (...args: string[]) =>
        (await ok(['sql', 'SELECT count(*) AS n FROM shops', '-o', 'csv', ...args])).stdout
      assert.equal(await asOf('--as-of-revision', token[1] ?? ''), 'n\n3\n')
      assert.equal(await asOf('--as-of-time', '2020-01-31T12:00:00Z'), 'n\n0\n')
      const conflict = await run(['put', 'shops', ...rows, '--if-absent'])
      assert.deepEqual([conflict.code, /error ROW_EXISTS/.test(conflict.stderr)], [1, true])
    })

    it('imports lines and CSV into a keyed table, and begun again under its id writes nothing twice', async () => {
      const lines = Array.from({ length: 2500 }, (_, i) => JSON.stringify({ town: 'Köln', number: i })).join('\n')
      const path = await file('shops.ndjson', lines)
      const first = await ok(['import', 'shops', path, '--import-id', 'twice'])
      const again = await ok(['import', 'shops', path, '--import-id', 'twice'])
      assert.partialDeepStrictEqual(rowsOf(first.stdout)[0] as object, { rows: 2500, chunks: 3, replayed: 0 })
      assert.partialDeepStrictEqual(rowsOf(again.stdout)[0] as object, { rows: 2500, chunks: 3, replayed: 3 })
      const csv = await file('shops.csv', 'town,number,name,opened,takings\nAue,1,"",2026-01-31,12.5\nAue,2,,,\n')
      const imported = await ok(['import', 'shops', csv])
      const got = await ok([
        'get',
        'shops',
        '--prefix',
        'town=Aue',
        '-o',
        'json',
        '--min-token',
        tokenOf(imported.stdout),
      ])
      assert.partialDeepStrictEqual(rowsOf(got.stdout), [
        { number: 1, name: '', opened: '2026-01-31', takings: '12.50' },
        { number: 2, name: null, opened: null, takings: null },
      ])
    })

    it('erases a row from every store, waits for that and tells of it, but not without being sure', async () => {
      await ok(['put', 'shops', '{"town":"Sparta","number":1,"name":"forgotten"}'])
      const erase = ['erase', 'shops', 'town=Sparta,number=1', '--id', 'sparta']
      const unsure = await run(erase)
      assert.deepEqual([unsure.code, /cannot be undone/.test(unsure.stderr)], [2, true])
      const states = (stdout: string) =>
        rowsOf(stdout).flatMap(row =>
          Reflect.get(Object(row), 'state') === 'Done' ? [Reflect.get(Object(row), 'store')] : [],
        )
      const erased = await ok([...erase, '--yes', '--wait', '-o', 'json'])
      assert.ok(
        ['lake', 'log'].every(store => states(erased.stdout).includes(store)),
        erased.stdout,
      )
      const told = await ok(['erase', 'shops', '--status', 'sparta', '-o', 'json'])
      assert.ok(states(told.stdout).includes('log'), told.stdout)
      assert.equal((await run(['get', 'shops', 'town=Sparta,number=1'])).code, 3)
      assert.equal((await run(['erase', 'shops', '--status', 'another'])).code, 3)
    })

    it('carries every value through export and import, as lines, CSV and Parquet', async () => {
      const put = await ok(['put', 'events', JSON.stringify(odd), JSON.stringify(none)])
      let token = tokenOf(put.stdout)
      let from = 'events'
      for (const format of ['ndjson', 'csv', 'parquet']) {
        const path = join(folder, `events.${format}`)
        await ok(['export', from, path, '--min-token', token])
        token = tokenOf((await ok(['import', 'copy', path])).stdout)
        const lines = await ok(['export', 'copy', '--min-token', token])
        assert.deepEqual(rowsOf(lines.stdout).slice(-2), [odd, none], format)
        if (format === 'ndjson') assert.equal(await readFile(path, 'utf8'), lines.stdout)
        from = 'events'
      }
    })

    it('imports text from standard input, each line a row', async () => {
      const args = ['import', 'copy', '--format', 'text', '--column', 'line', '--constants', '{"n":77}']
      const { stdout } = await ok(args, 'one\r\n\ntwo "2"')
      const sql = ['sql', 'SELECT line FROM copy WHERE n = 77', '-o', 'csv', '--min-token', tokenOf(stdout)]
      assert.equal((await ok(sql)).stdout, 'line\none\n"two ""2"""\n')
    })

    it('watches until Ctrl-C, and ends by itself at a limit', async () => {
      const limited = await ok(['watch', 'shops', '--snapshot', '--limit', '2', '--where', "town = 'Köln'"])
      assert.deepEqual(
        rowsOf(limited.stdout).map(row => Reflect.get(Object(row), 'kind')),
        ['ROW', 'ROW'],
      )
      const child = start(['watch', 'shops', '--where', "town = 'Rom'"])
      assert.ok(child.stdout && child.stderr)
      await once(child.stderr, 'data')
      await ok(['put', 'shops', '{"town":"Rom","number":1}'])
      const [line] = await once(child.stdout, 'data')
      assert.partialDeepStrictEqual(rowsOf(String(line))[0] as object, {
        kind: 'ENTER',
        old: null,
        new: { town: 'Rom' },
      })
      child.kill('SIGINT')
      assert.deepEqual(await once(child, 'exit'), [130, null])
    })

    it('searches an index and counts facets', async () => {
      const spec = {
        tableRef: { name: 'shops' },
        searchable: ['name'],
        filterable: ['town', 'number'],
        sortable: ['number'],
      }
      await scene.apply({ kind: 'Index', name: 'shops', spec })
      await scene.wait('index/shops')
      const rows = [1, 2, 3].map(number => JSON.stringify({ town: 'Kiel', number, name: 'Lighthouse books' }))
      const token = tokenOf((await ok(['put', 'shops', ...rows])).stdout)
      const args = ['search', 'shops', 'lighthose', '--where', 'number >= 2', '--sort', '-number', '--facet', 'town']
      const { stdout, stderr } = await ok([...args, '-o', 'json', '--min-token', token])
      assert.deepEqual(
        rowsOf(stdout).map(row => Reflect.get(Object(row), 'number')),
        [3, 2],
      )
      assert.match(stderr, /about 2 found\ntown: Kiel \(2\)/)
    })

    it('leaves an import at Ctrl-C, and tells how to go on', async () => {
      const child = start(['import', 'copy', '--import-id', 'left'])
      assert.ok(child.stdin && child.stderr)
      const told = text(child.stderr)
      child.stdin.write(`${'{"n":5}\n'.repeat(200_000)}`)
      // Rows are seen once the first chunk is written.
      await eventually('rows of the import', async () => {
        const { stdout } = await ok(['sql', 'SELECT count(*) AS n FROM copy WHERE n = 5', '-o', 'csv'])
        return Number(stdout.split('\n')[1]) > 0
      })
      child.kill('SIGINT')
      assert.deepEqual(await once(child, 'exit'), [130, null])
      assert.match(await told, /--import-id left/)
    })

    it('uploads a blob and downloads it by its row', async () => {
      const path = await file('picture.png', 'not a picture')
      const { stdout } = await ok(['blob', 'put', 'shops', path, '--type', 'image/png'])
      const row = JSON.stringify({ town: 'Jena', number: 1, picture: JSON.parse(stdout) })
      const put = await ok(['put', 'shops', row])
      const back = join(folder, 'back.png')
      await ok(['blob', 'get', 'shops', 'town=Jena,number=1', 'picture', back, '--min-token', tokenOf(put.stdout)])
      assert.equal(await readFile(back, 'utf8'), 'not a picture')
    })

    it('tells by its exit code what is wrong, and on standard error what to do', async () => {
      const fails = async (args: readonly string[], code: number, message: RegExp, more = {}, input = '') => {
        const told = await run(args, input, more)
        assert.equal(told.code, code, `${args.join(' ')}: ${told.stderr}`)
        assert.match(told.stderr, message)
        assert.equal(told.stdout, '')
      }
      await fails(['tables'], 4, /UNAUTHENTICATED[\s\S]*kubectl -n .* create token/, { BLASTY_TOKEN: 'wrong' })
      await fails(['get', 'nothing', 'x'], 3, /TABLE_NOT_FOUND/)
      await fails(['get', 'shops', 'Ulm'], 2, /neither JSON nor of the form/)
      await fails(['get'], 2, /missing required argument/)
      await fails(['get', 'shops', '--limit', '0'], 2, /whole number/)
      await fails(['tables'], 2, /which facade/, { BLASTY_SERVER: '' })
      await fails(['tables'], 5, /UNAVAILABLE/, { BLASTY_SERVER: 'http://127.0.0.1:1' })
      const bad = '{"n":1}\n{"n":"x"}\n'
      await fails(['import', 'copy'], 1, /--import-id [\s\S]*INVALID_ROW: row lines\[2\]/, {}, bad)
      const unknown = await file('unknown.csv', 'town,other\nUlm,1\n')
      await fails(['import', 'shops', unknown], 2, /column other is none/)
      await fails(['import', 'shops', join(folder, 'absent.ndjson')], 1, /ENOENT/)
      await fails(['sql', 'SELECT 1', '--as-of-time', 'yesterday'], 2, /yesterday is no time/)
      await fails(['sql', 'DELETE FROM shops'], 1, /INVALID_SQL/)
    })

    it('takes server, namespace and token from a context, and the token from a program', async () => {
      const { BLASTY_SERVER: server = '', BLASTY_TOKEN: token = '' } = env
      const tokenCommand = JSON.stringify([process.execPath, '-e', 'process.stdout.write(process.env.FOR_TOKEN)'])
      const context = `{ server: "${server}", namespace: ${scene.namespace}, tokenCommand: ${tokenCommand} }`
      const config = await file(
        'config.yaml',
        `currentContext: here\ncontexts:\n  here: ${context}\n  bad: { servr: x }\n`,
      )
      const only = {
        BLASTY_SERVER: '',
        BLASTY_TOKEN: '',
        BLASTY_NAMESPACE: '',
        BLASTY_CONFIG: config,
        FOR_TOKEN: token,
      }
      const { code, stdout, stderr } = await run(['tables', '-o', 'csv'], '', only)
      assert.equal(code, 0, stderr)
      assert.match(stdout, /,shops,/)
      const bad = await run(['tables', '--context', 'bad'], '', only)
      assert.deepEqual([bad.code, /servr/.test(bad.stderr)], [2, true])
    })
  })
}
