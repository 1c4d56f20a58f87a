import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { waitFor, type WaitGoal } from '../../src/cli/wait-for.ts';
import { FarshoreError } from '../../src/model/errors.ts';
import { NO_POSITIONS, type StatusReport } from '../../src/model/status.ts';
import { HostServer } from '../../src/status/host-server.ts';

const UP = { address: 'ws://127.0.0.1:1', up: true, error: null, sentBytes: 0, receivedBytes: 0 };

/** What waiting for a goal on a host of this status ends with. */
async function waited(report: Partial<StatusReport>, goal: WaitGoal): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'farshore-wait-'));
  const path = join(folder, 'control.sock');
  const status = (): StatusReport =>
    ({
      sequence: NO_POSITIONS,
      behind: { dataSets: 1 },
      reason: null,
      consistentAt: null,
      links: [],
      ...report,
    }) as unknown as StatusReport;
  const server = new HostServer({ status, commands: {}, controlSocket: path, listen: [] });
  await server.start();
  try {
    await waitFor({ kind: 'socket', path }, { goal, timeoutMs: 120 });
    return 'there';
  } catch (error) {
    if (!(error instanceof FarshoreError)) throw error;
    return `${error.code}, exit code ${error.exitCode}`;
  } finally {
    server.stop();
    rmSync(folder, { recursive: true });
  }
}

test('a peer: replicating when its secondary uses it', async () => {
  assert.is(await waited({ role: 'peer', state: 'replicating', links: [UP] }, 'replicating'), 'there');
  assert.is(
    await waited({ role: 'peer', state: 'disconnected', links: [{ ...UP, up: false }] }, 'replicating'),
    'ERR_WAIT_TIMEOUT, exit code 1',
  );
});

test('a peer is never drained, consistent or promoted: it is said at once, not when the time is up', async () => {
  for (const goal of ['drained', 'consistent', 'promoted'] as const)
    assert.is(await waited({ role: 'peer', state: 'replicating', links: [UP] }, goal), 'ERR_ROLE, exit code 2');
});

test('a secondary that was a peer is waited for like any other', async () => {
  assert.is(
    await waited({ role: 'secondary', state: 'replicating', links: [UP], behind: { dataSets: 0 } as StatusReport['behind'] }, 'drained'),
    'there',
  );
});

test.run();
