/**
 * How much time a run takes for its figures. Ordinarily the tests run few rounds, so
 * that the suite stays short. `SALLYPORT_TEST_FULL=1`, as in CI, runs them at size (20
 * kills, 10,000 writes, 8,000 tunnels); `SALLYPORT_TEST_FULL=whole`, by hand, also those
 * few that take minutes each at theirs (200 kills, 10,000 sequences, 100,000 failures).
 */
const asked = process.env.SALLYPORT_TEST_FULL ?? '';

/** Sizes as CI takes them, or larger. */
export const full = asked === '1' || asked === 'whole';

/** The largest sizes. */
export const whole = asked === 'whole';
