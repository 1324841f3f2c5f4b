/**
 * Tells the app something. What it throws is the app's own affair: nothing here depends on it, and it is reported as a
 * rejection that nobody handles.
 */
export async function callBack<T>(listener: ((told: T) => void) | undefined, told: T): Promise<void> {
  listener?.(told);
}
