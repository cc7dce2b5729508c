/** One event of a stream of server-sent events. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/**
 * Events of a response as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html). The browser's own
 * EventSource cannot carry a token. `position` is told for each id that is seen; `alive` for whatever comes, heartbeats too.
 */
export async function* eventsOf(
  response: Response,
  told: { readonly position: (id: string) => void; readonly alive: () => void },
): AsyncGenerator<StreamEvent> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let name = 'message';
  let data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    told.alive();
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (line === '') {
        if (data.length > 0) yield { name, data: data.join('\n') };
        name = 'message';
        data = [];
      } else if (field === 'event') name = text;
      else if (field === 'data') data.push(text);
      else if (field === 'id') told.position(text);
    }
  }
}
