/** Golden bytes of format and protocol version 1, compared both ways; they are frozen with the version. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ACKNOWLEDGE_BODY,
  ACKNOWLEDGE_BYTES,
  ACKNOWLEDGE_RANGE,
  HEAD_BODY,
  HELD_BODY,
  HELD_DATA_SET,
  MESSAGE_HEADER,
  PROGRESS_BODY,
  PROGRESS_BYTES,
  RECORD_HEADER,
  RECORD_HEADER_BYTES,
  REJECT_BODY,
  RELEASE_BODY,
  REQUEST_PROGRESS_BODY,
  REQUEST_PROGRESS_BYTES,
  SYNC_PAYLOAD,
} from '../../src/record/layout.ts';
import type { FieldLayout } from '../../src/record/layout.ts';
import { RecordReader, RecordWriter } from '../../src/record/record.ts';
import type { DecodedRecord } from '../../src/record/record.ts';
import { decodeMessage, decodeRecords, encodeMessage } from '../../src/record/wire.ts';
import type { WireMessage } from '../../src/record/wire.ts';
import { checkoutFolder, goldenBytes, parseHex } from '../support/golden.ts';
import type { GoldenPart } from '../support/golden.ts';
import { MESSAGES, NUMBERS, RECORDS, STREAM, SYNC, TRIM, WRITE, ZERO } from './samples.ts';

function parts(fields: readonly FieldLayout[], start = 0): GoldenPart[] {
  return fields.map(({ name, offset, size }) => ({ label: name, offset: start + offset, size }));
}

function recordParts(type: string, start = 0): GoldenPart[] {
  const payloadAt = start + RECORD_HEADER_BYTES;
  return [
    ...parts(RECORD_HEADER, start),
    ...(type === 'sync' ? parts(SYNC_PAYLOAD, payloadAt) : [{ label: 'payload', offset: payloadAt, size: 16 }]),
  ];
}

function messageParts(message: WireMessage): GoldenPart[] {
  const header = parts(MESSAGE_HEADER);
  switch (message.kind) {
    case 'records':
      return [...recordParts('zero').slice(0, -1), ...recordParts('sync', RECORD_HEADER_BYTES)];
    case 'acknowledge':
      return [
        ...header,
        ...parts(ACKNOWLEDGE_BODY),
        ...message.ranges.flatMap((_, index) => parts(ACKNOWLEDGE_RANGE, ACKNOWLEDGE_BYTES + index * 16)),
      ];
    case 'reject':
      return [...header, ...parts(REJECT_BODY)];
    case 'head':
      return [...header, ...parts(HEAD_BODY)];
    case 'held':
      return [...header, ...parts(HELD_BODY)];
    case 'release':
      return [...header, ...parts(RELEASE_BODY)];
    case 'requestProgress':
      return [...header, ...parts(REQUEST_PROGRESS_BODY), { label: 'link keys', offset: REQUEST_PROGRESS_BYTES, size: 16 }];
    case 'progress': {
      const rows = [
        ...header,
        ...parts(PROGRESS_BODY),
        { label: 'link keys', offset: PROGRESS_BYTES, size: 4 * message.closedLinks.length },
      ];
      let offset = PROGRESS_BYTES + 4 * message.closedLinks.length;
      for (const { received } of message.held) {
        const size = received.length;
        rows.push(
          ...parts(HELD_DATA_SET, offset),
          { label: 'received', offset: offset + 32, size },
          { label: 'durable', offset: offset + 32 + size, size },
        );
        offset += 32 + 2 * size;
      }
      return rows;
    }
    case 'hello':
    case 'welcome':
    case 'ready':
    case 'refuse':
    case 'superseded':
    case 'supersededAcknowledged':
    case 'peerHello':
    case 'peerWelcome':
    case 'fetch':
    case 'fetched':
    default:
      return [...header, { label: 'JSON', offset: 8, size: 16 }];
  }
}

/** Encode a decoded record again, from its fields alone. */
function encodeAgain(found: DecodedRecord, golden: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(golden.length);
  const writer = new RecordWriter(bytes);
  const { generation, stream, type, vlun, lba, lengthBytes, timeUs, dataSet, firstSequence, sequence, sync } = found;
  if (type === 'pad') writer.encodePad(0, found.encodedBytes);
  else if (type === 'sync' && sync !== null)
    writer.encodeSync(0, { ...sync, dataSet, firstSequence, finalSequence: sequence, timeUs }, { generation, stream });
  else if (type !== 'sync') {
    const payload = type === 'write' ? golden.slice(found.payloadOffset, found.payloadOffset + found.payloadBytes) : null;
    writer.encodeWrite(0, { type, vlun, lba, lengthBytes, timeUs, payload }, { dataSet, firstSequence, sequence }, { generation, stream });
  }
  return bytes;
}

for (const [type, encoded] of Object.entries(RECORDS)) {
  test(`golden record: ${type}`, () => {
    const golden = goldenBytes(`wire/record-${type}.hex`, encoded, `Record: ${type}. Format version 1.`, recordParts(type));
    assert.equal(encoded, golden);
    const found = new RecordReader(golden).readAt(0, golden.length);
    assert.is(found.kind, 'record');
    if (found.kind !== 'record') return;
    assert.is(found.type, type);
    assert.equal(encodeAgain(found, golden), golden);
  });
}

/** Decode the golden bytes of one record type. */
function readGolden(type: string): DecodedRecord {
  const golden = goldenBytes(
    `wire/record-${type}.hex`,
    RECORDS[type] ?? new Uint8Array(0),
    `Record: ${type}. Format version 1.`,
    recordParts(type),
  );
  const found = new RecordReader(golden).readAt(0, golden.length);
  if (found.kind !== 'record') throw new Error(`${type} is ${found.kind}`);
  return found;
}

test('golden records decode to the values that they were made of', () => {
  for (const command of [WRITE, ZERO, TRIM]) {
    const { vlun, lba, lengthBytes, timeUs, dataSet, firstSequence, sequence, generation, stream } = readGolden(command.type);
    assert.equal({ type: command.type, vlun, lba, lengthBytes, timeUs, payload: command.payload }, command);
    assert.equal({ dataSet, firstSequence, sequence }, NUMBERS);
    assert.equal({ generation, stream }, STREAM);
  }
  const { sync, dataSet, firstSequence, sequence, timeUs } = readGolden('sync');
  assert.equal({ dataSet, firstSequence, finalSequence: sequence, ...sync, timeUs }, SYNC);
});

for (const [name, message] of Object.entries<WireMessage>(MESSAGES)) {
  test(`golden message: ${name}`, () => {
    const encoded = encodeMessage(message);
    const golden = goldenBytes(`wire/message-${name}.hex`, encoded, `Message: ${name}. Protocol version 1.`, messageParts(message));
    assert.equal(encoded, golden);
    assert.equal(decodeMessage(golden), message);
    if (message.kind === 'records')
      assert.equal(
        decodeRecords(golden, STREAM).records.map((record) => record.type),
        ['zero', 'sync'],
      );
  });
}

test('every golden file is compared with something', () => {
  const known = new Set([
    ...Object.keys(RECORDS).map((type) => `record-${type}.hex`),
    ...Object.keys(MESSAGES).map((name) => `message-${name}.hex`),
  ]);
  const found = readdirSync(join(checkoutFolder(), 'fixtures', 'wire')).filter((file) => file.endsWith('.hex'));
  assert.equal(
    found.filter((file) => !known.has(file)),
    [],
  );
  assert.is(found.length, known.size);
});

test('a golden file holds hex digits and comments, and nothing else', () => {
  assert.equal(parseHex('# title\n00 ff  # comment 12\n0a\n'), Uint8Array.of(0, 255, 10));
  assert.throws(() => parseHex('0g'));
  assert.throws(() => parseHex('0'));
});

test.run();
