import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../../src/model/limits.ts';
import { decodeMessage, encodeMessage } from '../../src/record/wire.ts';
import { forge, MESSAGES, violation } from './samples.ts';

/** Handshake messages whose body is more than {}. */
const WITH_FIELDS = [
  'hello',
  'welcome',
  'refuse',
  'superseded',
  'superseded-acknowledged',
  'peer-hello',
  'peer-welcome',
  'fetched-unreadable',
] as const;

/** A message whose JSON body was changed, or replaced by a text of single bytes, under a right checksum. */
function forgeJson(kind: keyof typeof MESSAGES, change: (body: never) => unknown): Uint8Array {
  const bytes = encodeMessage(MESSAGES[kind]);
  const body = JSON.parse(Buffer.from(bytes.subarray(8)).toString()) as object;
  const changed = change(body as never) ?? body;
  const encoded = typeof changed === 'string' ? Buffer.from(changed, 'latin1') : Buffer.from(JSON.stringify(changed));
  return forge(new Uint8Array(Buffer.concat([bytes.subarray(0, 8), encoded])), () => undefined);
}

test('random JSON never throws and is never a handshake message', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(...WITH_FIELDS), (text, kind) => {
      assert.match(violation(forgeJson(kind, () => text)), /^(field|json): /);
    }),
    { numRuns: 500 },
  );
});

test('every field of every handshake message is required, no other is allowed, and a wrong type is named with its path', () => {
  for (const name of WITH_FIELDS) {
    const original = JSON.parse(Buffer.from(encodeMessage(MESSAGES[name]).subarray(8)).toString()) as unknown;
    let fields = 0;
    walk(original, [], (path) => {
      fields += 1;
      const last = path.at(-1) ?? '';
      for (const wrong of [undefined, true, 'x\ny', { a: 1 }, -2, 0.5]) {
        const found = violation(forgeJson(name, () => edit(original, path, wrong)));
        assert.match(found, /^field: /, `${path.join('.')} = ${JSON.stringify(wrong)}: ${found}`);
        assert.ok(found.includes(last), `${found} names ${last}`);
      }
      assert.match(
        violation(forgeJson(name, () => edit(original, [...path.slice(0, -1), 'surplus'], 1))),
        /^field: .*unknown field "surplus"/,
      );
    });
    assert.ok(fields > 0);
  }
});

/** Call for the path of every field of every object in a JSON value; of a list, only the first entry. */
function walk(value: unknown, path: readonly string[], visit: (path: readonly string[]) => void): void {
  if (Array.isArray(value)) return value.length === 0 ? undefined : walk(value[0], [...path, '0'], visit);
  if (typeof value !== 'object' || value === null) return;
  for (const [name, entry] of Object.entries(value)) {
    visit([...path, name]);
    walk(entry, [...path, name], visit);
  }
}

/** Copy of a JSON value with one field set, or removed when the new value is undefined. */
function edit(value: unknown, path: readonly string[], to: unknown): unknown {
  const copy: unknown = structuredClone(value);
  let holder = copy as Record<string, unknown>;
  for (const name of path.slice(0, -1)) holder = holder[name] as Record<string, unknown>;
  holder[path.at(-1) ?? ''] = to;
  return copy;
}

/** What is wrong with a hello whose facts were changed. */
function hello(change: (facts: Record<string, unknown>) => void): string {
  return violation(forgeJson('hello', (body: { facts: Record<string, unknown> }) => change(body.facts)));
}

function heldWith(fields: object): (facts: Record<string, unknown>) => void {
  return (facts) => {
    facts['held'] = [
      { dataSet: 1, firstSequence: 5, finalSequence: null, received: 'DQ==', durable: 'BQ==', digest: 'd'.repeat(32), ...fields },
    ];
  };
}

test('values just outside their range are refused, those just inside are not', () => {
  const one = { dataSet: 1, finalSequence: 1, chain: '0'.repeat(32) };
  assert.match(
    hello((facts) => {
      facts['hostEpoch'] = 2 ** 53;
    }),
    /hello.facts.hostEpoch: expected an integer from 0 to 9007199254740991, found 9007199254740992/,
  );
  assert.match(
    hello((facts) => {
      facts['groupId'] = 'A'.repeat(32);
    }),
    /groupId: expected 32 lower-case hex digits/,
  );
  assert.match(
    hello((facts) => {
      facts['complete'] = [one, one];
    }),
    /complete\[1\].dataSet: expected more than 1, found 1/,
  );
  assert.match(
    hello((facts) => {
      facts['complete'] = Array.from({ length: 257 }, (_, dataSet) => ({ ...one, dataSet }));
    }),
    /complete: expected at most 256 entries, found 257/,
  );
  assert.match(
    hello((facts) => {
      facts['complete'] = Array.from({ length: 256 }, (_, dataSet) => ({ ...one, dataSet }));
    }),
    /decoded as hello/,
  );
  assert.match(
    hello((facts) => {
      facts['groupName'] = 'x'.repeat(256);
    }),
    /groupName: expected text of 1 to 255 bytes/,
  );
  assert.match(
    hello((facts) => {
      facts['groupName'] = '';
    }),
    /groupName/,
  );
  assert.match(
    hello((facts) => {
      facts['role'] = 'primary';
    }),
    /role: expected secondary, found "primary"/,
  );
  assert.match(hello(heldWith({})), /decoded as hello/);
  assert.match(hello(heldWith({ durable: 'Dw==' })), /held\[0\]: durable is not a subset of received/);
  assert.match(hello(heldWith({ durable: '' })), /held\[0\]: received has 1 bytes, durable 0/);
  assert.match(hello(heldWith({ received: 'DR==' })), /received: expected base64/, 'bits that belong to no byte');
  assert.match(hello(heldWith({ received: 'DQ' })), /received: expected base64/);
  assert.match(hello(heldWith({ received: 'A'.repeat(10_928) })), /received: expected base64 of at most 8192 bytes/);
});

test('a refusal reaches the peer although its words hold line breaks or are too long', () => {
  const sentence = `first\nsecond ${'ü'.repeat(3000)}`;
  const found = decodeMessage(encodeMessage({ kind: 'refuse', outcome: 'wait', label: '', sentence }));
  assert.is(found.kind, 'refuse');
  if (found.kind !== 'refuse') return;
  assert.is(found.label, '-');
  assert.ok(found.sentence.startsWith('first second üü') && found.sentence.endsWith('ü'));
  assert.ok(Buffer.byteLength(found.sentence) <= LIMITS.sentenceBytesMax);
});

test('what could not be read of a region is told although it holds line breaks or is too long', () => {
  const found = decodeMessage(encodeMessage({ kind: 'fetched', records: 1, unreadable: `from byte 8 on:\n${'x'.repeat(3000)}` }));
  if (found.kind !== 'fetched') throw new Error(`decoded as ${found.kind}`);
  assert.match(found.unreadable ?? '', /^from byte 8 on: x+$/);
  assert.is(Buffer.byteLength(found.unreadable ?? ''), LIMITS.sentenceBytesMax);
});

test('facts of a peer are checked field by field, and against one another', () => {
  const peerHello = (change: object): string =>
    violation(forgeJson('peer-hello', (body: { facts: object }) => ({ facts: { ...body.facts, ...change } })));
  assert.match(peerHello({}), /decoded as peerHello/);
  assert.match(peerHello({ tail: 2 ** 33 }), /peerHello.facts: tail 8589934592 lies above head 4294967303/);
  assert.match(peerHello({ hold: 'disk' }), /hold: expected memory or durable, found "disk"/);
  assert.match(peerHello({ regionId: '9'.repeat(31) }), /regionId: expected 32 lower-case hex digits/);
  assert.match(
    peerHello({ lostRegions: Array.from({ length: 65 }, () => '0'.repeat(32)) }),
    /lostRegions: expected at most 64 entries, found 65/,
  );
  assert.match(peerHello({ lostRegions: Array.from({ length: 64 }, () => '0'.repeat(32)) }), /decoded as peerHello/);
  assert.match(peerHello({ role: 'secondary' }), /role: expected peer/);
  assert.match(
    violation(forgeJson('peer-welcome', (body: { facts: object }) => ({ facts: { ...body.facts, groupId: null } }))),
    /groupId: expected 32 lower-case hex digits, found null/,
  );
});

test('bodies that are not UTF-8 or not JSON are violations', () => {
  assert.match(violation(forgeJson('ready', () => '\xff')), /^json: /);
  assert.match(violation(forgeJson('ready', () => '')), /^json: /);
  assert.match(violation(forgeJson('ready', () => '['.repeat(100_000))), /^json: /);
  assert.match(violation(forgeJson('ready', () => '{"__proto__":{}}')), /^field: ready: unknown field "__proto__"/);
  assert.match(violation(forgeJson('ready', () => '[]')), /^field: ready: expected an object, found a list of 0/);
  assert.match(violation(forgeJson('ready', () => '\xef\xbb\xbf{}')), /^json: /, 'a byte order mark is not skipped');
});

test('only the fields of the protocol are sent', () => {
  const sample = MESSAGES.hello;
  const facts = { ...sample.facts, secret: 'x' };
  assert.equal(decodeMessage(encodeMessage({ ...sample, facts })), sample);
});

test.run();
