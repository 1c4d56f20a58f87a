/** Links that are lost while others live on: what was in their hands is asked for, and sent again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SecondaryFacts } from '../../src/model/handshake.ts';
import { blankSecondaryFacts } from '../support/handshake-facts.ts';
import type { NotedSocket } from '../support/noted-socket.ts';
import { primaryDisk, PrimaryHost } from '../support/primary-host.ts';

const KEY = 77;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

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
    await turn();
    const former = agreedAgain(host, facts);
    former.end(1006, '');
    assert.equal(
      steady.sent('requestProgress').map(({ closedLinks }) => closedLinks),
      [[KEY]],
    );
    const later = agreedAgain(host, facts);
    steady.receive({ kind: 'progress', closedLinks: [KEY], destaged: null, windowHigh: 15, held: [] });
    for (let count = 0; count < 4; count += 1) {
      await host.write(4096);
      await turn();
    }
    const handed = later.sent('records').length;
    assert.ok(handed > 0, 'records are in its hands');
    later.end(1006, '');
    assert.equal(steady.sent('requestProgress').at(-1)?.closedLinks, [KEY], 'its key is known still');
    const before = steady.sent('records').length;
    steady.receive({ kind: 'progress', closedLinks: [KEY], destaged: null, windowHigh: 15, held: [] });
    await turn();
    assert.ok(steady.sent('records').length > before, 'and they are sent again');
  } finally {
    await host.end();
  }
});

test.run();
