import { type IncomingHttpHeaders, request } from 'node:http';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the server says, looked at by assertions
  readonly json: any;
}

export interface Asked {
  readonly method?: string;
  /** Sent exactly so, `Host` too. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One request, without anything that a browser or a client library would add. */
export function ask(url: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(parts);
        const text = bytes.toString();
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        const json =
          isJson && response.headers['content-encoding'] === undefined && text !== '' ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text, json });
      });
    });
    sent.on('error', reject).end(body);
  });
}

export function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  return ask(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

export interface HeardEvent {
  readonly event: string;
  readonly id: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the server says, looked at by assertions
  readonly data: any;
}

/** Somebody who listens to server-sent events. */
export class Listener {
  readonly heard: HeardEvent[] = [];
  readonly #request: ReturnType<typeof request>;
  #rest = '';
  #ended = false;
  #waiting: (() => void)[] = [];

  private constructor(sent: ReturnType<typeof request>) {
    this.#request = sent;
  }

  /** Resolves when the stream has begun. Rejects with the status of any other answer. */
  static open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { headers, agent: false });
      const listener = new Listener(sent);
      sent.on('response', (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          reject(new Error(`status ${response.statusCode}`));
          return;
        }
        response.setEncoding('utf8').on('data', (text: string) => listener.#take(text));
        response.on('close', () => listener.#end()).on('error', () => listener.#end());
        resolve(listener);
      });
      sent.on('error', (error) => {
        listener.#end();
        reject(error);
      });
      sent.end();
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  get lastId(): string {
    return this.heard.at(-1)?.id ?? '';
  }

  /** The first event that fits, of those that were heard or will be. */
  async hears(fits: (event: HeardEvent) => boolean, withinMs = 10_000): Promise<HeardEvent> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = this.heard.find(fits);
      if (found !== undefined) return found;
      if (Date.now() > deadline)
        throw new Error(`not heard; what was: ${this.heard.map(({ event, id }) => `${event} ${id}`).join(', ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async ends(withinMs = 10_000): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!this.#ended) {
      if (Date.now() > deadline) throw new Error('the stream goes on');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  close(): void {
    this.#request.destroy();
  }

  #take(text: string): void {
    const parts = (this.#rest + text).split('\n\n');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) {
      const fields = new Map(
        part.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      const event = fields.get('event');
      if (event === undefined) continue;
      this.heard.push({ event, id: fields.get('id') ?? '', data: JSON.parse(fields.get('data') ?? 'null') });
    }
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
