import koffi from 'koffi';

/** The few calls of the C library that Node has no API for. Sizes are bytes; -1 is a failure, told by `errno`. */
export interface LibC {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  send(fd: number, data: Uint8Array, length: number, flags: number): number;
  recv(fd: number, data: Uint8Array, length: number, flags: number): number;
  write(fd: number, data: Uint8Array, length: number): number;
  close(fd: number): number;
  eventfd(value: number, flags: number): number;
  /** Waits on a thread of the pool, so that the event loop goes on. Rejects only for bugs. */
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): Promise<number>;
  /** Of the last call that failed. */
  errno(): number;
}

let loaded: LibC | undefined;

/** Throws where there is no C library with these calls: on other systems than Linux. */
export function libC(): LibC {
  loaded ??= load();
  return loaded;
}

function load(): LibC {
  const library = koffi.load(null);
  const poll = library.func('int poll(void *, unsigned long, int)');
  return {
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, void *, uint32_t)'),
    getsockname: library.func('int getsockname(int, void *, void *)'),
    getsockopt: library.func('int getsockopt(int, int, int, void *, void *)'),
    setsockopt: library.func('int setsockopt(int, int, int, void *, uint32_t)'),
    send: library.func('long send(int, void *, size_t, int)'),
    recv: library.func('long recv(int, void *, size_t, int)'),
    write: library.func('long write(int, void *, size_t)'),
    close: library.func('int close(int)'),
    eventfd: library.func('int eventfd(unsigned int, int)'),
    poll: (descriptors, count, timeoutMs) =>
      new Promise((resolve, reject) => {
        poll.async(descriptors, count, timeoutMs, (error: Error | null, ready: number) =>
          error === null ? resolve(ready) : reject(error),
        );
      }),
    errno: () => koffi.errno(),
  };
}
