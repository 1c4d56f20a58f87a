import { controlSocketPath } from '../state/state-folder.ts';
import { UsageError } from '../model/errors.ts';
import { loadConfig } from './config/load-config.ts';
import type { HostTarget } from './control-client.ts';

/** Which host a command means: by its config, or by the URL of its status page. @throws UsageError ERR_USAGE */
export async function targetOf(flags: { config?: string | undefined; url?: string | undefined }): Promise<HostTarget> {
  if (flags.url !== undefined) return { kind: 'url', url: flags.url };
  if (flags.config === undefined)
    throw new UsageError('ERR_USAGE', 'which host? give -c FILE (its config), or --url URL where the command takes it');
  const config = await loadConfig(flags.config, { standalone: true });
  return { kind: 'socket', path: controlSocketPath(config.stateDirectory) };
}
