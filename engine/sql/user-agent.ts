/** What a User-Agent header tells: program, operating system, kind of device, as an SQL expression over its text. */

import { quoteText } from './quote.ts'

type Rule = readonly [name: string, pattern: string]

const version = String.raw`(\d[\w.]*)`

/** Programs that fetch by themselves; group 1 is the name, 2 the version. */
const bot = String.raw`(?i)\b([\w.-]*(?:bot|crawler|spider)|facebookexternalhit|slurp|ia_archiver|mediapartners-google|bytespider|pingdom[\w.]*|uptime[\w-]*)\b(?:/v?${version})?`
/** Phones of that make are no bots. */
const notBot = '(?i)\\bcubot\\b'

/** Browsers, the more particular first: most also say that they are Chrome or Safari. Group 1 is the version. */
const browsers: readonly Rule[] = [
  ['Edge', String.raw`\b(?:Edg|Edge|EdgA|EdgiOS)/${version}`],
  ['Opera', String.raw`\b(?:OPR|OPT|OPiOS)/${version}`],
  ['Opera', String.raw`\bOpera(?:.*Version/|[ /])${version}`],
  ['Samsung Internet', String.raw`\bSamsungBrowser/${version}`],
  ['Yandex Browser', String.raw`\bYaBrowser/${version}`],
  ['UC Browser', String.raw`\bUC ?Browser/${version}`],
  ['Vivaldi', String.raw`\bVivaldi/${version}`],
  ['DuckDuckGo', String.raw`\b(?:DuckDuckGo|Ddg)/${version}`],
  ['Firefox', String.raw`\b(?:Firefox|FxiOS)/${version}`],
  ['Chrome', String.raw`\b(?:CriOS|HeadlessChrome|Chrome|Chromium)/${version}`],
  ['Internet Explorer', String.raw`\bMSIE ${version}`],
  ['Internet Explorer', String.raw`\bTrident/.*\brv:${version}`],
  ['Android Browser', String.raw`\bAndroid\b.*\bVersion/${version}`],
  ['Safari', String.raw`\bVersion/${version}.*\bSafari/`],
]

/** Group 1 is the version, with underscores where Apple writes them. */
const systems: readonly Rule[] = [
  ['Windows', String.raw`\bWindows NT ${version}`],
  ['Windows', String.raw`\bWindows ?(95|98|ME|XP|Phone)?`],
  ['iOS', String.raw`\b(?:iPhone OS|CPU OS|iOS)[ /](\d[\d_.]*)`],
  ['iOS', String.raw`\b(?:iPhone|iPad|iPod)\b()`],
  ['macOS', String.raw`\bMac(?:intosh; Intel Mac)? OS X ?(\d[\d_.]*)?`],
  ['Android', String.raw`\bAndroid ?(\d[\d.]*)?`],
  ['ChromeOS', String.raw`\bCrOS \w+ ${version}`],
  ['Linux', String.raw`\b(?:Linux|Ubuntu|Fedora|X11)\b()`],
]

/** Numbers of the kernel by the name that people know; 11 says 10.0 too. */
const windows: readonly Rule[] = [
  ['10', '10.0'],
  ['8.1', '6.3'],
  ['8', '6.2'],
  ['7', '6.1'],
  ['Vista', '6.0'],
  ['XP', '5.1'],
]

const firstOf = (text: string, rules: readonly Rule[], otherwise: string): string =>
  `CASE ${rules
    .map(([name, pattern]) => {
      const found = quoteText(pattern)
      return `WHEN regexp_matches(${text}, ${found}) THEN {'name': ${quoteText(name)}, 'version': regexp_extract(${text}, ${found}, 1)}`
    })
    .join(' ')} ELSE ${otherwise} END`

const none = "{'name': ''::VARCHAR, 'version': ''::VARCHAR}"
/** NULL for what is not told. */
const told = (value: string): string => `CASE WHEN ${value} <> '' THEN ${value} END`

/**
 * STRUCT(text, name, version, os, os_version, device) of the User-Agent that the variable `text` holds; NULL for NULL. device is
 * 'bot', 'tool' (a program without a screen), 'tablet', 'mobile' or 'desktop'.
 */
export function describeUserAgent(text: string): string {
  const isBot = `(regexp_matches(${text}, ${quoteText(bot)}) AND NOT regexp_matches(${text}, ${quoteText(notBot)}))`
  const botProgram = `{'name': regexp_extract(${text}, ${quoteText(bot)}, 1), 'version': regexp_extract(${text}, ${quoteText(bot)}, 2)}`
  const first = String.raw`'^([A-Za-z][\w.+-]*)/v?(\d[\w.-]*)'`
  const tool = `CASE WHEN starts_with(${text}, 'Mozilla/') THEN ${none} ELSE {'name': regexp_extract(${text}, ${first}, 1), 'version': regexp_extract(${text}, ${first}, 2)} END`
  const program = `CASE WHEN ${isBot} THEN ${botProgram} ELSE ${firstOf(text, browsers, tool)} END`
  const device = `CASE WHEN ${isBot} THEN 'bot'
    WHEN regexp_matches(${text}, '\\b(?:iPad|Tablet|Kindle|Silk)\\b') THEN 'tablet'
    WHEN regexp_matches(${text}, '\\bAndroid\\b') AND NOT regexp_matches(${text}, '\\bMobile\\b') AND starts_with(${text}, 'Mozilla/') THEN 'tablet'
    WHEN regexp_matches(${text}, '\\b(?:Mobile|iPhone|iPod|Opera Mini|Windows Phone)\\b') THEN 'mobile'
    WHEN starts_with(${text}, 'Mozilla/') OR starts_with(${text}, 'Opera/') THEN 'desktop' ELSE 'tool' END`
  const names = windows.map(([name, kernel]) => `WHEN '${kernel}' THEN '${name}'`).join(' ')
  const osVersion = `CASE WHEN o.name = 'Windows' THEN CASE o.version ${names} ELSE o.version END ELSE replace(o.version, '_', '.') END`
  const fields = `{'text': ${text}, 'name': ${told('p.name')}, 'version': ${told('p.version')}, 'os': ${told('o.name')},
    'os_version': ${told(`(${osVersion})`)}, 'device': ${device}}`
  const described = `list_transform([${program}], lambda p: list_transform([${firstOf(text, systems, none)}], lambda o: ${fields})[1])[1]`
  return `CASE WHEN ${text} IS NOT NULL THEN ${described} END`
}
