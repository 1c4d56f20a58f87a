/** Options that several commands share. Flags beat FARSHORE_* variables, which beat the config file. */
import { Flags } from '@oclif/core';
import { LOG_LEVELS } from '../status/log.ts';

export const configFlag = Flags.string({
  char: 'c',
  summary: 'Config file of this host.',
  env: 'FARSHORE_CONFIG',
  helpValue: 'FILE',
  required: true,
});

/** For commands that can also be told a URL. */
export const optionalConfigFlag = Flags.string({
  char: 'c',
  summary: 'Config file of this host.',
  env: 'FARSHORE_CONFIG',
  helpValue: 'FILE',
});

/** FARSHORE_LOG_LEVEL is read with the config, which knows what to say about a wrong one. */
export const logLevelFlag = Flags.option({
  summary: "Say more or less than the config's log level.",
  options: LOG_LEVELS,
})();
