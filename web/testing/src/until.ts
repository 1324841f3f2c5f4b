/** For how many milliseconds anything is waited for: a busy machine gets there. */
export const LONGEST = 120_000;

/** Waits until a condition holds; one that throws does not hold yet. Rejects after two minutes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + LONGEST;
  for (;;) {
    const holds = await Promise.resolve()
      .then(condition)
      .catch(() => false);
    if (holds) return;
    if (Date.now() > deadline) throw new Error(`not within two minutes: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
