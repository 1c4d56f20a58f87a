/** oclif hook: a command that does not exist is a usage error that names the nearest one. */
import type { Hook } from '@oclif/core';
import { UsageError } from '../model/errors.ts';
import { nearestWord } from './nearest-word.ts';

/** Refuse an unknown command. @throws UsageError ERR_COMMAND_UNKNOWN */
export const commandNotFound: Hook<'command_not_found'> = async ({ id, config }) => {
  const wrong = id.replaceAll(':', ' ');
  const nearest =
    nearestCommand(wrong.split(' '), config.commandIDs) ??
    nearestCommand(
      wrong.split(' '),
      config.topics.map((topic) => topic.name),
    );
  const suggestion = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  throw new UsageError('ERR_COMMAND_UNKNOWN', `"${wrong}" is not a command of farshore${suggestion}`, {
    hint: '"farshore --help" lists the commands',
    details: { nearest: nearest ?? null },
  });
};

/** Compare as many words as each command has: what follows may be an argument that oclif took for a part of the name. */
function nearestCommand(words: readonly string[], ids: readonly string[]): string | undefined {
  const known = ids.map((id) => id.split(':'));
  for (let count = words.length; count > 0; count--) {
    const sameLength = known.filter((name) => name.length === count).map((name) => name.join(' '));
    const nearest = nearestWord(words.slice(0, count).join(' '), sameLength);
    if (nearest !== undefined) return nearest;
  }
  return undefined;
}
