/** A proto file as text, for protoc and buf. */

import type { ProtoField, ProtoFile, ProtoMessage, ProtoMethod } from './model.ts'
import { defaultJsonName } from './names.ts'

/** The text of a file, in proto3. */
export function protoText(file: ProtoFile): string {
  const { service } = file
  return `${[
    [...comment(file.comment, ''), 'syntax = "proto3";'],
    [`package ${file.package};`],
    file.imports.map(path => `import "${path}";`),
    [...comment(service.comment, ''), `service ${service.name} {`, ...between(service.methods.map(methodText)), '}'],
    ...file.messages.map(messageText),
  ]
    .map(lines => lines.join('\n'))
    .join('\n\n')}\n`
}

const comment = (text: string, indent: string): string[] =>
  text.split('\n').map(line => `${indent}// ${line}`.trimEnd())

/** The blocks with an empty line between each two. */
const between = (blocks: string[][]): string[] => blocks.flatMap((block, i) => (i === 0 ? block : ['', ...block]))

function methodText({ name, input, output, serverStreaming, comment: text }: ProtoMethod): string[] {
  return [...comment(text, '  '), `  rpc ${name}(${input}) returns (${serverStreaming ? 'stream ' : ''}${output});`]
}

function messageText(message: ProtoMessage): string[] {
  const lines = [...comment(message.comment, ''), `message ${message.name} {`]
  const reserved = message.reserved ?? []
  if (reserved.length > 0) {
    lines.push(`  reserved ${reserved.map(({ number }) => number).join(', ')};`)
    lines.push(`  reserved ${reserved.map(({ name }) => `"${name}"`).join(', ')};`)
  }
  let open: string | undefined
  for (const field of message.fields) {
    if (open !== field.oneof) {
      if (open !== undefined) lines.push('  }')
      const oneof = message.oneofs?.find(({ name }) => name === field.oneof)
      if (oneof) lines.push(...comment(oneof.comment, '  '), `  oneof ${oneof.name} {`)
      open = field.oneof
    }
    lines.push(...fieldText(field, open === undefined ? '  ' : '    '))
  }
  if (open !== undefined) lines.push('  }')
  return [...lines, '}']
}

function fieldText(field: ProtoField, indent: string): string[] {
  const label = field.label === undefined ? '' : `${field.label} `
  const options = field.jsonName === defaultJsonName(field.name) ? '' : ` [json_name = "${field.jsonName}"]`
  return [
    ...comment(field.comment, indent),
    `${indent}${label}${field.type} ${field.name} = ${field.number}${options};`,
  ]
}
