// The house as it is now: follows the gateway over a WebSocket, and keeps trying when it is away.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** The gateway speaks at least every 15 s; after two beats missed it is gone, whatever the socket believes. */
const SILENCE = 40_000;
/** The gateway closes with this code when whoever listens is signed in no more. */
const SIGNED_OUT = 4401;

let ahead = 0; // ms that the gateway's clock is ahead of this page's monotonic one

/** The gateway's time in ms since 1970. The clock of the phone or computer is not asked: it may be wrong. */
export function gatewayNow() {
  return performance.now() + ahead;
}

/**
 * Call `tell(state, connected)` with the whole state now and after each change, until the function is called that this
 * returns. While disconnected, the state is the last that was heard. `refused()` is called where the gateway let nobody
 * listen: it may be away, or nobody may be signed in here, which a browser does not tell apart.
 */
export function follow(tell, { refused, signedOut }) {
  let state = null;
  let failures = 0;
  let retry = 0;
  let current = null;

  function connect() {
    clearTimeout(retry);
    retry = 0;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/ws`);
    current = { end };
    let opened = false;
    let silence = setTimeout(() => lost(), SILENCE);

    function end() {
      clearTimeout(silence);
      socket.onmessage = socket.onclose = null;
      socket.close();
    }

    function lost() {
      end();
      failures += 1;
      tell(state, false);
      const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1));
      retry = setTimeout(connect, wait * (0.5 + Math.random() / 2));
    }

    socket.onopen = () => {
      opened = true;
    };
    socket.onclose = (event) => {
      lost();
      if (event.code === SIGNED_OUT) signedOut();
      else if (!opened) refused();
    };
    socket.onmessage = (event) => {
      clearTimeout(silence);
      silence = setTimeout(() => lost(), SILENCE);
      const message = JSON.parse(event.data);
      ahead = Date.parse(message.now) - performance.now();
      if (message.type === "state") {
        failures = 0;
        state = message.state;
      } else if (message.type === "change") {
        state = { ...state, [message.section]: message.value };
      } else {
        return;
      }
      tell(state, true);
    };
  }

  // Somebody looks at the page again, or the network is back: no reason to wait any longer.
  const hurry = () => {
    if (retry && !document.hidden) connect();
  };
  addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);
  connect();

  return () => {
    removeEventListener("online", hurry);
    document.removeEventListener("visibilitychange", hurry);
    clearTimeout(retry);
    current.end();
  };
}
