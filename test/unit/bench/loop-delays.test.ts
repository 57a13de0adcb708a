import { expect, test } from 'vitest';
import { loopDelaysOf } from '../../../bench/control/loop-delays.ts';

const PAGE = `# TYPE sallyport_event_loop_delay_seconds gauge
sallyport_event_loop_delay_seconds{stat="p50"} 0.0001
sallyport_event_loop_delay_seconds{stat="p99"} 0.004
sallyport_event_loop_delay_seconds{stat="max"} 0.0315
nodejs_eventloop_lag_seconds 0.001
nodejs_eventloop_lag_max_seconds 0.065
nodejs_eventloop_lag_p99_seconds 0.009
`;

test('delays are told in milliseconds, without the time between two samples', () => {
  const { gateway, control } = loopDelaysOf(PAGE);
  expect(gateway.p99).toBeCloseTo(4);
  expect(gateway.max).toBeCloseTo(31.5);
  expect(control.max).toBeCloseTo(55);
  expect(control.p99).toBe(0);
});

test('a page without them is no page of zeros', () => {
  expect(() => loopDelaysOf(PAGE.replace('stat="max"', 'stat="most"'))).toThrow('stat="max"');
});
