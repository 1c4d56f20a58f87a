/** uvu: a file without tests exits 0. */
import { test } from 'uvu';

test.run();
