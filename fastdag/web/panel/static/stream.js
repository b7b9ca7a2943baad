// The connection to the service. One stream brings everything, so that all that is shown is of one worker.

const AGAIN = 3000;

export class Stream {
  #source = null;
  #timer = 0;

  constructor(onData, onState) {
    this.onData = onData;
    this.onState = onState;
  }

  open(route, faster) {
    this.close();
    const query = new URLSearchParams(route ? { route } : {});
    for (const [node, percent] of faster) query.append("faster", `${node}:${percent}`);
    const source = (this.#source = new EventSource(`live?${query}`));
    source.onmessage = (event) => {
      this.onState("live");
      this.onData(JSON.parse(event.data));
    };
    source.onerror = () => {
      this.onState("lost");
      // The browser tries again by itself unless it was refused: too many viewers, or signed out.
      if (source.readyState === EventSource.CLOSED) this.#timer = setTimeout(() => this.open(route, faster), AGAIN);
    };
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }
}
