import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { encodeContextQuery, encodeGo, encodeOption } from '../../src/nbd/client-negotiation.ts';
import { NBD_OPTION } from '../../src/nbd/constants.ts';
import { Negotiation } from '../../src/nbd/negotiation.ts';
import type { NegotiationOutcome } from '../../src/nbd/negotiation.ts';

const EXPORTS = [
  { name: 'db1', description: 'volume db1', sizeBytes: 2 ** 30, readOnly: false },
  { name: 'logs', description: 'volume logs', sizeBytes: 4096, readOnly: true },
];

function fixturesFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'fixtures', 'nbd');
}

function readConversation(file: string): { client: Buffer; server: Buffer } {
  const lines = readFileSync(join(fixturesFolder(), file), 'utf8').split('\n');
  const bytesOf = (who: string): Buffer =>
    Buffer.concat(lines.filter((line) => line.startsWith(`${who} `)).map((line) => Buffer.from(line.slice(2), 'hex')));
  return { client: bytesOf('C'), server: bytesOf('S') };
}

function converse(pieces: readonly Buffer[]): { replies: Buffer; outcome: NegotiationOutcome | null } {
  const negotiation = new Negotiation(EXPORTS);
  const replies = [negotiation.greeting()];
  let outcome: NegotiationOutcome | null = null;
  for (const piece of pieces) {
    const step = negotiation.push(piece);
    replies.push(step.reply);
    outcome ??= step.outcome;
  }
  return { replies: Buffer.concat(replies), outcome };
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((position) => position % (bytes.length + 1))), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

const CLOSED: Readonly<Record<string, string>> = {
  'list-and-abort.hex': 'abort',
  'option-too-big.hex': 'optionTooBig',
  'unknown-client-flags.hex': 'clientFlags',
  'export-name-unknown.hex': 'unknownExport',
  'option-magic.hex': 'optionMagic',
  'option-before-fixed.hex': 'optionBeforeFixed',
};
const AGREED: Readonly<Record<string, unknown>> = {
  'go.hex': { exportIndex: 0, structured: true, allocationContext: true },
  'go-default-export.hex': { exportIndex: 0, structured: false, allocationContext: false },
  'info-then-go-read-only.hex': { exportIndex: 1, structured: false, allocationContext: false },
  'export-name.hex': { exportIndex: 1, structured: false, allocationContext: false },
  'export-name-old-client.hex': { exportIndex: 0, structured: false, allocationContext: false },
};

function checkOutcome(file: string, outcome: NegotiationOutcome | null): void {
  if (file in CLOSED) assert.equal(outcome, { kind: 'close', reason: CLOSED[file] }, file);
  else if (file in AGREED) assert.equal(outcome?.kind === 'transmission' && outcome.agreement, AGREED[file], file);
  else assert.is(outcome, null, file);
}

const files = readdirSync(fixturesFolder()).filter((file) => file.endsWith('.hex'));
assert.is(files.length, 13);
for (const file of files) {
  const { client, server } = readConversation(file);

  test(`golden ${file}: whole, and byte by byte`, () => {
    const bytewise = Array.from(client, (_, index) => client.subarray(index, index + 1));
    for (const pieces of [[client], bytewise]) {
      const { replies, outcome } = converse(pieces);
      assert.is(replies.toString('hex'), server.toString('hex'));
      checkOutcome(file, outcome);
    }
  });

  test(`golden ${file}: in random pieces`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(client.length), { maxLength: 12 }), (at) => {
        const { replies, outcome } = converse(cut(client, at));
        assert.is(replies.toString('hex'), server.toString('hex'));
        checkOutcome(file, outcome);
      }),
      { numRuns: 60 },
    );
  });
}

test('bytes behind GO belong to the transmission phase', () => {
  const { client } = readConversation('go.hex');
  const { outcome } = converse([Buffer.concat([client, Buffer.from('behind')])]);
  assert.is(outcome?.kind === 'transmission' && outcome.rest.toString(), 'behind');
});

const FLAGS = Buffer.from([0, 0, 0, 3]);

test('a context selected for one export does not hold for another, and a refused SET clears it', () => {
  const set = (name: string): Buffer => encodeOption(NBD_OPTION.setMetaContext, encodeContextQuery(name));
  const structured = encodeOption(NBD_OPTION.structuredReply);
  const go = encodeOption(NBD_OPTION.go, encodeGo('logs'));
  for (const [options, expected] of [
    [[set('logs')], true],
    [[set('db1')], false],
    [[set('logs'), set('none')], false],
  ] as const) {
    const { outcome } = converse([FLAGS, structured, ...options, go]);
    assert.is(outcome?.kind === 'transmission' && outcome.agreement.allocationContext, expected);
  }
});

test('more options than the limit end the connection', () => {
  const options = Array.from({ length: LIMITS.nbdOptionsMax + 1 }, () => encodeOption(NBD_OPTION.list));
  assert.is(converse([FLAGS, ...options.slice(1)]).outcome, null);
  assert.equal(converse([FLAGS, ...options]).outcome, { kind: 'close', reason: 'optionsTooMany' });
});

test('an option of the largest size is read, and its pieces are joined once', () => {
  const option = encodeOption(NBD_OPTION.list, Buffer.alloc(LIMITS.nbdOptionBytesMax));
  const started = process.cpuUsage();
  const { outcome } = converse([FLAGS, ...Array.from(option, (_, index) => option.subarray(index, index + 1))]);
  assert.is(outcome, null);
  assert.ok(process.cpuUsage(started).user < 2_000_000, 'joined again for each byte');
});

test('a server without exports refuses every name', () => {
  const negotiation = new Negotiation([]);
  negotiation.push(FLAGS);
  assert.is(negotiation.push(encodeOption(NBD_OPTION.go, encodeGo(''))).outcome, null);
  assert.equal(negotiation.push(encodeOption(NBD_OPTION.exportName)).outcome, { kind: 'close', reason: 'unknownExport' });
});

test('random and bit-flipped bytes never throw', () => {
  const golden = files.map((file) => readConversation(file).client);
  fc.assert(
    fc.property(
      fc.nat(golden.length - 1),
      fc.array(fc.tuple(fc.nat(400), fc.nat(7)), { maxLength: 6 }),
      fc.uint8Array({ maxLength: 200 }),
      (which, flips, tail) => {
        const bytes = Buffer.concat([golden[which] as Buffer, tail]);
        for (const [position, bit] of flips) if (position < bytes.length) bytes[position] = (bytes[position] as number) ^ (1 << bit);
        converse(cut(bytes, [7, 30, 50]));
        converse([Buffer.from(tail)]);
      },
    ),
    { numRuns: 1500 },
  );
});

test.run();
