/**
 * Functions that find things in a line of text: `line_ip(line)` is the first address in it, `line_ip(line, 2)` the second, `-1` the
 * last; NULL where there is none. Regular expressions of DuckDB run in time linear in the line.
 */

import { type Macro, once } from './macro.ts'
import { quoteText } from './quote.ts'
import { describeUserAgent } from './user-agent.ts'

const v4 = String.raw`(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)`
const h = '[0-9A-Fa-f]{1,4}'
/** RFC 4291 §2.2: all eight groups, `::` for a run of zeros, and an IPv4 address as the last two. */
const v6 = [
  `(?:${h}:){7}${h}`,
  `(?:${h}:){1,7}:`,
  ...[1, 2, 3, 4, 5, 6].map(after => `(?:${h}:){1,${7 - after}}(?::${h}){1,${after}}`),
  `:(?::${h}){1,7}`,
  `(?:${h}:){6}${v4}`,
  `(?:${h}:){1,5}:${v4}`,
  `::(?:${h}:){0,5}${v4}`,
].join('|')
/** An address, then the full stop or colon of the sentence, or a path or mask. */
const address = `^(${v4}|${v6})(?:[.:]?|/.*)$`
const withoutPort = String.raw`regexp_replace(a, '^([0-9]+[.][0-9.]+):[0-9]{1,5}', '\1')`
/** Words joined by slashes are one: what follows the name of a program is its version. */
const addressToken = '[0-9A-Za-z_.:-]+(?:/[0-9A-Za-z_.:-]+)*'

/** Letters and digits, of other alphabets too; the classes of Unicode would take longer to compile than the line to search. */
const letter = String.raw`A-Za-z0-9\x{80}-\x{10FFFF}`
const email = `[${letter}_%+-](?:[${letter}._%+'-]*[${letter}_%+-])?@(?:[${letter}](?:[${letter}-]*[${letter}])?[.])+[A-Za-z\\x{80}-\\x{10FFFF}]{2,63}`

/** What an address of mail may be part of: found quickly, and looked at closely then. */
const aroundAt = String.raw`[^\s<>()\[\],;:"=|]+@[^\s<>()\[\],;:"=|]+`
const emails = `list_filter(list_transform(regexp_extract_all(line, ${quoteText(aroundAt)}),
  lambda a: regexp_extract(a, ${quoteText(email)})), lambda a: a <> '')`

const url = String.raw`\b(?:https?|ftps?|wss?)://(?:\[[0-9A-Fa-f:.]+\])?[^\s"'<>\[\]{}|\\^\x60]+`

/** International with + and 8 to 15 digits, or 3-3-4 digits as in North America. What stands before must not be part of a number. */
const phone = String.raw`(?:^|[^\w.+/:-])(\+\d(?:[ ().-]{0,2}\d){7,14}|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4})\b`

/** Double quotes anywhere, single ones where a word could begin; a backslash takes the next character with it. */
const quoted = String.raw`(?s)"(?:[^"\\]|\\.)*"|(?:^|[\s=:,(\[{])'(?:[^'\\]|\\.)*'`

const months = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec'
const clock = String.raw`[0-2]\d:[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?`
const zone = String.raw` ?(?:Z|UTC|GMT|[+-][01]\d:?[0-5]\d)`
const weekday = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'

type DateForm = { readonly pattern: string; readonly groups: readonly string[] }
/** y: year, m: month by number or name, d: day, t: time of day, z: zone. */
const dateForms: readonly DateForm[] = [
  // ISO 8601, RFC 3339, nginx's errors.
  {
    pattern: String.raw`(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ](${clock})(${zone})?)?`,
    groups: ['y', 'm', 'd', 't', 'z'],
  },
  // NCSA, Apache and nginx access logs.
  { pattern: String.raw`(\d{1,2})/(${months})/(\d{4})(?::(${clock})(${zone})?)?`, groups: ['d', 'm', 'y', 't', 'z'] },
  // RFC 5322, HTTP.
  {
    pattern: String.raw`(\d{1,2})[ -](${months})[a-z]*[ -](\d{4})(?: (${clock})(${zone})?)?`,
    groups: ['d', 'm', 'y', 't', 'z'],
  },
  // C's asctime, Apache's errors.
  {
    pattern: String.raw`(?:${weekday} )?(${months}) +(\d{1,2}) (${clock}) (?:[A-Z]{3,4} )?(\d{4})`,
    groups: ['m', 'd', 't', 'y'],
  },
  // Network devices.
  {
    pattern: String.raw`(${months})[a-z]* +(\d{1,2}),? (\d{4})(?: (${clock})(${zone})?)?`,
    groups: ['m', 'd', 'y', 't', 'z'],
  },
]
/** RFC 3164: no year. */
const syslogForm: DateForm = { pattern: String.raw`(${months}) +(\d{1,2}) (${clock})`, groups: ['m', 'd', 't'] }

const ungrouped = (pattern: string): string => pattern.replace(/\((?!\?)/g, '(?:')
const anyOf = (forms: readonly DateForm[]): string =>
  String.raw`\b(?:${forms.map(({ pattern }) => ungrouped(pattern)).join('|')})\b`

/** Text that casts to TIMESTAMPTZ, from the groups `g` of a form; the second 60 counts as 59, the instance's zone is UTC. */
const textOf = ({ groups }: DateForm, year = 'g.y'): string => {
  const byName = `printf('%02d', 1 + position(lower(g.m) IN 'janfebmaraprmayjunjulaugsepoctnovdec') // 3)`
  const month = groups[0] === 'y' ? 'g.m' : byName
  const time = `CASE length(g.t) WHEN 0 THEN '00:00:00' WHEN 5 THEN g.t || ':00' ELSE replace(replace(g.t, ',', '.'), ':60', ':59') END`
  // `Z` and names of the zone fall away; UTC is meant without one.
  const offset = groups.includes('z')
    ? String.raw` || regexp_replace(g.z, '^ ?(?:([+-]\d\d):?(\d\d)|.*)$', '\1:\2')`
    : ''
  return `rtrim(${year} || '-' || ${month} || '-' || g.d || ' ' || ${time}${offset}, ':')`
}
const withGroups = ({ pattern, groups }: DateForm, body: string): string =>
  once(`regexp_extract(f, ${quoteText(`^${pattern}$`)}, [${groups.map(group => `'${group}'`).join(', ')}])`, 'g', body)
const whenMatches = (forms: readonly DateForm[], value: (form: DateForm) => string): string =>
  forms.map(form => `WHEN regexp_full_match(f, ${quoteText(ungrouped(form.pattern))}) THEN ${value(form)}`).join(' ')

const timestampOf = (form: DateForm): string => withGroups(form, `TRY_CAST(${textOf(form)} AS TIMESTAMPTZ)`)
/** The latest such day that is not more than a day after the reference. */
const syslogTimestamp = withGroups(
  syslogForm,
  `list_filter(list_transform([0, 1], lambda ago: TRY_CAST(${textOf(syslogForm, '(year(reference) - ago)::VARCHAR')} AS TIMESTAMPTZ)),
    lambda t: t <= reference + INTERVAL 1 DAY)[1]`,
)

const dates = (forms: readonly DateForm[], timestamp: string): string =>
  `list_filter(list_transform(regexp_extract_all(line, ${quoteText(anyOf(forms))}), lambda f: ${timestamp}), lambda t: t IS NOT NULL)`
const plainDates = dates(dateForms, `CASE ${whenMatches(dateForms, timestampOf)} END`)
const datesNear = once(
  'near::TIMESTAMPTZ',
  'reference',
  dates([...dateForms, syslogForm], `CASE ${whenMatches(dateForms, timestampOf)} ELSE ${syslogTimestamp} END`),
)

const unquoted = String.raw`regexp_replace(regexp_replace(m, '(?s)^[^"'']?["''](.*)["'']$', '\1'), '(?s)\\(["''\\])', '\1', 'g')`
const quotedTexts = `list_transform(regexp_extract_all(line, ${quoteText(quoted)}), lambda m: ${unquoted})`

/** Begins with a product and its version (RFC 9110 §10.1.5), which the HTTP of a request line is not. */
const product = String.raw`^[A-Za-z][\w.+-]*/v?\d`
const isUserAgent = (text: string): string =>
  `(regexp_matches(${text}, ${quoteText(product)}) AND NOT starts_with(${text}, 'HTTP/'))`
const userAgents = once(
  'line',
  'whole',
  `CASE WHEN ${isUserAgent('trim(whole)')} THEN [trim(whole)]
    ELSE list_filter(${quotedTexts.replace('line', 'whole')}, lambda u: ${isUserAgent('u')}) END`,
)

/** Of the list that `matches` computes from `line`: the first, or the one asked for. */
const nthOf = (matches: string, value = (nth: string) => `(${matches})[${nth}]`): Macro['forms'] => [
  { parameters: ['line'], body: value('1') },
  { parameters: ['line', 'nth'], body: value('nth') },
]

const addresses = `list_filter(list_transform(regexp_extract_all(line, ${quoteText(addressToken)}),
  lambda a: regexp_extract(${withoutPort}, ${quoteText(address)}, 1)), lambda a: a <> '')`
const urls = `list_transform(regexp_extract_all(line, ${quoteText(url)}),
  lambda u: regexp_replace(u, CASE WHEN contains(u, '(') THEN '[.,;:!?]+$' ELSE '[.,;:!?)]+$' END, ''))`

/** All of them; the names are what users write. */
export const lineFunctions: readonly Macro[] = [
  { name: 'line_ip', forms: nthOf(addresses) },
  { name: 'line_email', forms: nthOf(emails) },
  { name: 'line_url', forms: nthOf(urls) },
  { name: 'line_phone', forms: nthOf(`regexp_extract_all(line, ${quoteText(phone)}, 1)`) },
  { name: 'line_quoted', forms: nthOf(quotedTexts) },
  {
    name: 'line_date',
    forms: [...nthOf(plainDates), { parameters: ['line', 'nth', 'near'], body: `(${datesNear})[nth]` }],
  },
  {
    name: 'line_user_agent',
    forms: nthOf(userAgents, nth => once(`(${userAgents})[${nth}]`, 'ua', describeUserAgent('ua'))),
  },
]
