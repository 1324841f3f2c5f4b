/** The network of one device. */
export class Network {
  down = false;
  /** How many of the next writes reach the server while their answers do not come back. */
  lost = 0;
  /** An error that the next request is answered by. */
  refusal: Record<string, unknown> | undefined;
  /** Nothing comes through but that. */
  onlyRefusal = false;
  /** Bodies of requests that were sent, oldest first. */
  readonly sent: { query: string; variables: { input?: { mutationId: string; writes: { set?: { id: string }; delete?: { id: string } }[] } } }[] = [];

  readonly fetch: typeof fetch = async (input, init) => {
    if (this.down) throw new TypeError('no network');
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal) return Response.json({ data: null, errors: [{ message: 'refused', extensions: refusal }] });
    if (this.onlyRefusal) throw new TypeError('no network');
    const body = JSON.parse(new TextDecoder().decode(init!.body as Uint8Array));
    this.sent.push(body);
    const response = await fetch(input, init);
    if (body.variables.input && this.lost > 0) {
      this.lost--;
      this.down = true;
      await response.arrayBuffer();
    }
    if (this.down) throw new TypeError('the connection broke');
    return response;
  };

  /** The ids of each batch that was sent. */
  get batches(): string[][] {
    return this.writes.map(({ writes }) => writes.map((write) => (write.set ?? write.delete)!.id));
  }

  get writes() {
    return this.sent.flatMap(({ variables }) => variables.input ?? []);
  }
}
