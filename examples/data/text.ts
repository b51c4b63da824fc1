/** Repair of text whose bytes were read in the wrong character set. */

const mac = new TextDecoder('macintosh')
const windows = new TextDecoder('windows-1252')

/** Byte of each character of Mac OS Roman beyond ASCII. */
const macBytes = new Map(Array.from({ length: 128 }, (_, i) => [mac.decode(Uint8Array.of(i + 128)), i + 128]))

/**
 * Undoes reading Windows-1252 as Mac OS Roman, which makes "LÈon" of "Léon". Text with a character that Mac OS Roman
 * does not have cannot have been read so and stays as it is.
 */
export function repairedText(text: string): string {
  const bytes: number[] = []
  for (const character of text) {
    const code = character.charCodeAt(0)
    const byte = code < 128 ? code : macBytes.get(character)
    if (byte === undefined) return text
    bytes.push(byte)
  }
  return windows.decode(Uint8Array.from(bytes))
}
