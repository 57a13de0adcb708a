/**
 * The comments of the `.proto` files, which the generated code does not carry: a
 * descriptor set with its source positions, made by buf, read as data.
 */
import { execFileSync } from 'node:child_process';
import { fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** Tags of descriptor.proto: a location's path is made of them and of positions. */
const TAG = { messages: 4, enums: 5, services: 6, members: 2, nested: 3 } as const;
const BUF = 'node_modules/@bufbuild/buf/bin/buf';

/** Comment by full name: `pkg`, `pkg.Message`, `pkg.Message.field`, `pkg.Enum.VALUE`, `pkg.Service.Method`. */
export function readProtoComments(): ReadonlyMap<string, string> {
  const bytes = execFileSync(process.execPath, [BUF, 'build', '--as-file-descriptor-set', '-o', '-#format=binpb'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const found = new Map<string, string>();
  for (const file of fromBinary(FileDescriptorSetSchema, bytes).file) readFile(file, found);
  return found;
}

function readFile(file: FileDescriptorProto, found: Map<string, string>): void {
  for (const { path, leadingComments, leadingDetachedComments } of file.sourceCodeInfo?.location ?? []) {
    const name = nameOf(file, path);
    // What stands before `syntax` (path 12) is about the whole file.
    const text = path[0] === 12 ? (leadingDetachedComments[0] ?? leadingComments) : leadingComments;
    if (name !== null && text !== undefined && text !== '') found.set(name, unwrapped(text));
  }
}

/** The full name of what a path leads to; null for what has none. */
function nameOf(file: FileDescriptorProto, path: readonly number[]): string | null {
  const [kind, index, tag, member] = path;
  if (kind === 12) return file.package;
  if (index === undefined || path.length > 4) return null;
  const lists = { [TAG.messages]: file.messageType, [TAG.enums]: file.enumType, [TAG.services]: file.service };
  const owner = lists[kind as keyof typeof lists]?.[index];
  if (owner === undefined) return null;
  const name = `${file.package}.${owner.name}`;
  if (path.length === 2) return name;
  if (tag !== TAG.members || member === undefined) return null;
  const members = 'field' in owner ? owner.field : 'value' in owner ? owner.value : owner.method;
  return `${name}.${members[member]?.name}`;
}

/** One paragraph a line: the comment's own line breaks are of the source's width, blank lines part paragraphs. */
function unwrapped(comment: string): string {
  return comment
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replaceAll(/\s*\n\s*/g, ' ').trim())
    .join('\n\n');
}
