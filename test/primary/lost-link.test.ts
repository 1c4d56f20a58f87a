/** Links that are lost while others live on: what was in their hands is asked for, and sent again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryFacts } from '../../src/model/handshake.ts';
import { blankSecondaryFacts } from '../support/handshake-facts.ts';
import type { NotedSocket } from '../support/noted-socket.ts';
import { primaryDisk, PrimaryHost } from '../support/primary-host.ts';
import { until } from '../support/until.ts';

const KEY = 77;

/** A link whose key was used before, which the protocol forbids. */
function agreedAgain(host: PrimaryHost, facts: Partial<SecondaryFacts>): NotedSocket {
  const socket = host.link();
  const { volumes } = host.primary.state;
  socket.receive({ kind: 'hello', linkKey: KEY, facts: blankSecondaryFacts({ volumes, ...facts }) });
  socket.receive({ kind: 'ready' });
  return socket;
}

test('an answer about a lost link is none about an open one with the same key, which is asked for when it is lost', async () => {
  const host = await PrimaryHost.start(await primaryDisk());
  try {
    const { groupId, generations, stream } = host.primary.state;
    const facts = { groupId, generations, stream, session: '00000000000000e0' };
    const steady = host.agreed(facts);
    await host.write(4096);
    await until('a record is sent', () => steady.sent('records').length > 0);
    const former = agreedAgain(host, facts);
    former.end(1006, '');
    assert.equal(
      steady.sent('requestProgress').map(({ closedLinks }) => closedLinks),
      [[KEY]],
    );
    const later = agreedAgain(host, facts);
    steady.receive({ kind: 'progress', closedLinks: [KEY], destaged: null, windowHigh: 15, held: [] });
    await host.write(4096);
    await host.write(4096);
    await until('records are in its hands', () => later.sent('records').length > 0);
    later.end(1006, '');
    assert.equal(steady.sent('requestProgress').at(-1)?.closedLinks, [KEY], 'its key is known still');
    const before = steady.sent('records').length;
    steady.receive({ kind: 'progress', closedLinks: [KEY], destaged: null, windowHigh: 15, held: [] });
    await until('they are sent again', () => steady.sent('records').length > before);
  } finally {
    await host.end();
  }
});

test('I9: a record whose first byte was damaged in memory is another message to the secondary: the primary then finds it', async () => {
  for (const reason of ['record-header: magic at byte 4176', 'message-kind: found 71', 'protocol-version: expected 1, found 83']) {
    for (const isDamaged of [false, true]) {
      const host = await PrimaryHost.start(await primaryDisk());
      try {
        const { groupId, generations, stream } = host.primary.state;
        const link = host.agreed({ groupId, generations, stream, session: '00000000000000e0' });
        await host.write(4096);
        await until('the record is sent', () => link.sent('records').length > 0);
        const [slice] = host.primary.order?.buffers.get(0)?.slices(0, 0) ?? [];
        if (slice === undefined) throw new Error('the record is in the send buffer');
        if (isDamaged) slice.bytes.set([71], 0);
        slice.done();
        link.end(4001, reason);
        assert.is(host.primary.phase, isDamaged ? 'failed' : 'serving', `${reason}, ${isDamaged ? 'damaged' : 'intact'}`);
      } finally {
        await host.end();
      }
    }
  }
});

test.run();
