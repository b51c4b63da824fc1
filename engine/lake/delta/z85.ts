/** Z85 (ZeroMQ RFC 32): four bytes as five characters that JSON need not escape. */

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** Throws RangeError unless the length is a multiple of four. */
export function toZ85(bytes: Buffer): string {
  if (bytes.length % 4 !== 0) throw new RangeError(`Z85 takes multiples of 4 bytes, not ${bytes.length}`)
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    let value = bytes.readUInt32BE(at)
    let five = ''
    for (let digit = 0; digit < 5; digit++) {
      five = alphabet.charAt(value % 85) + five
      value = Math.floor(value / 85)
    }
    text += five
  }
  return text
}

/** Undefined when the text is not Z85. */
export function fromZ85(text: string): Buffer | undefined {
  if (text.length % 5 !== 0) return undefined
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let at = 0; at < text.length; at += 5) {
    let value = 0
    for (const character of text.slice(at, at + 5)) {
      const digit = alphabet.indexOf(character)
      if (digit === -1) return undefined
      value = value * 85 + digit
    }
    if (value > 0xffffffff) return undefined
    bytes.writeUInt32BE(value, (at / 5) * 4)
  }
  return bytes
}
