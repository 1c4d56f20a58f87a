import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CUT_REASON, RECORD_TYPE } from '../../src/model/commands.ts';
import { PROTOCOL_VERSION } from '../../src/model/handshake.ts';
import { CLOSE_CODE, closeCodeName } from '../../src/record/close-codes.ts';
import { HANDSHAKE_SHAPES } from '../../src/record/handshake-messages.ts';
import {
  FORMAT_MAGIC,
  FORMAT_VERSION,
  LAYOUT_TABLES,
  MESSAGE_KIND,
  RECORD_HEADER,
  RECORD_HEADER_BYTES,
  REJECT_REASON,
  SYNC_RECORD_BYTES,
} from '../../src/record/layout.ts';
import type { FieldLayout } from '../../src/record/layout.ts';
import { VIOLATIONS } from '../../src/record/violation.ts';
import { checkoutFolder } from '../support/golden.ts';

/** SHA-256 of everything that both ends must agree on, by format and protocol version. A line is added, never changed. */
const PINNED: Readonly<Record<string, string>> = {
  'format 1, protocol 1': '45c9cebf34a73fbbbb3380a16bd90340bcf96b313729acb4e1a6027a6bf5f7d3',
};

const protocolText = readFileSync(join(checkoutFolder(), 'src', 'record', 'PROTOCOL.md'), 'utf8');

function outlines(): unknown {
  return Object.fromEntries(Object.entries(HANDSHAKE_SHAPES).map(([kind, shape]) => [kind, shape.outline]));
}

test('the layout of records and messages is the one that is pinned to the version', () => {
  const agreed = { FORMAT_MAGIC, LAYOUT_TABLES, MESSAGE_KIND, REJECT_REASON, RECORD_TYPE, CUT_REASON, handshake: outlines() };
  const hash = createHash('sha256').update(JSON.stringify(agreed)).digest('hex');
  const version = `format ${FORMAT_VERSION}, protocol ${PROTOCOL_VERSION}`;
  assert.is(
    hash,
    PINNED[version],
    `The encoding has changed (now ${hash}), but the version is still "${version}". Records: raise FORMAT_VERSION (src/record/layout.ts). ` +
      'Messages: raise PROTOCOL_VERSION (src/model/handshake.ts). Then pin the new hash here, and rewrite PROTOCOL.md and fixtures/wire in the same commit.',
  );
});

test('in every table the fields follow one another without gap or overlap', () => {
  for (const [name, table] of Object.entries(LAYOUT_TABLES)) {
    const fields: readonly FieldLayout[] = table.fields;
    let offset = fields[0]?.offset ?? 0;
    assert.ok(offset === 0 || offset === 8, `${name} begins at 0, or after a message header`);
    for (const field of fields) {
      assert.is(field.offset, offset, `${name}.${field.name}`);
      assert.ok(
        field.kind === 'zero' || field.kind === 'u8' || field.offset % Math.min(field.size, 8) === 0,
        `${name}.${field.name} is aligned`,
      );
      offset += field.size;
    }
    assert.is(offset, table.bytes, name);
  }
});

test('sizes of kinds are what the codecs read', () => {
  const sizes: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, crc32: 4, id: 8, 'id?': 8 };
  for (const table of Object.values(LAYOUT_TABLES)) {
    for (const field of table.fields) assert.is(sizes[field.kind] ?? field.size, field.size, field.name);
  }
});

test('records stay 8-byte aligned, and the header checksum covers all before it', () => {
  assert.is(RECORD_HEADER_BYTES % 8, 0);
  assert.is(SYNC_RECORD_BYTES % 8, 0);
  const last = RECORD_HEADER.at(-1);
  assert.equal(last, { name: 'headerChecksum', offset: RECORD_HEADER_BYTES - 4, size: 4, kind: 'crc32' });
});

test('PROTOCOL.md has a row for every field of every table, in a section of its own', () => {
  for (const [name, table] of Object.entries(LAYOUT_TABLES)) {
    const [, section] = protocolText.split(`\n#### ${name}\n`);
    assert.ok(section !== undefined, `a section "#### ${name}"`);
    const rows = (section ?? '').split('\n#')[0]?.match(/^\| \d+ \|.*$/gm) ?? [];
    assert.equal(
      rows.map((row) =>
        row
          .split('|')
          .slice(1, 5)
          .map((cell) => cell.trim()),
      ),
      table.fields.map((field) => [`${field.offset}`, `${field.size}`, field.name, field.kind]),
      name,
    );
  }
});

test('PROTOCOL.md names every code, violation and close code', () => {
  for (const codes of [MESSAGE_KIND, REJECT_REASON, RECORD_TYPE, CUT_REASON, CLOSE_CODE]) {
    for (const [name, code] of Object.entries(codes)) assert.match(protocolText, new RegExp(`^\\| ${code} \\| ${name} \\|`, 'm'));
  }
  for (const [label, meaning] of Object.entries(VIOLATIONS)) assert.ok(protocolText.includes(`| ${label} | ${meaning} |`), label);
  for (const [kind, shape] of Object.entries(HANDSHAKE_SHAPES)) {
    assert.ok(protocolText.includes(`\n#### ${kind}\n`), kind);
    for (const name of fieldNames(shape.outline)) assert.ok(protocolText.includes(`\`${name}\``), `${kind} field ${name}`);
  }
});

/** Names of all fields in an outline, nested ones too. */
function fieldNames(outline: unknown): string[] {
  if (typeof outline !== 'object' || outline === null) return [];
  if (Array.isArray(outline)) return outline.flatMap(fieldNames);
  return Object.entries(outline).flatMap(([name, inner]) => (name === 'nullable' ? fieldNames(inner) : [name, ...fieldNames(inner)]));
}

test('close codes are in the range for applications, unique, and found by their number', () => {
  const codes = Object.values(CLOSE_CODE);
  assert.is(new Set(codes).size, codes.length);
  for (const [name, code] of Object.entries(CLOSE_CODE)) {
    assert.ok(code >= 4000 && code <= 4099, name);
    assert.is(closeCodeName(code), name);
  }
  assert.is(closeCodeName(1006), null);
});

test.run();
