// What the page asks the gateway to do. Every refusal is a `Refusal` that says why, and what to do about it.

export class Refusal extends Error {
  constructor({ code, detail, cure = "" }, wait = 0) {
    super(cure ? `${detail} (${cure})` : detail);
    this.code = code;
    this.cure = cure;
    /** Seconds to let pass before the next attempt. */
    this.wait = wait;
  }
}

const page = { signedOut: () => {}, prove: async () => false };

/**
 * What to do with the two answers that any request may get. `signedOut()`: nobody is signed in here any more.
 * `prove()` asks for a fresh proof that the person is there, and gives whether one was shown.
 */
export function whenRefused(handlers) {
  Object.assign(page, handlers);
}

async function ask(method, path, body, { again = true } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal({ code: "no_contact", detail: "The gateway did not answer" });
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const refusal = await refusalOf(response);
  if (refusal.code === "not_signed_in") page.signedOut();
  if (refusal.code === "needs_presence" && again && (await page.prove())) return ask(method, path, body, { again: false });
  throw refusal;
}

async function refusalOf(response) {
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    return new Refusal(await response.json(), Number(response.headers.get("Retry-After") ?? 0));
  }
  return new Refusal({ code: "bug", detail: `The gateway answered ${response.status}`, cure: "see its log" });
}

const id = encodeURIComponent;

export const command = (device, capability, value) => ask("POST", `/api/devices/${id(device)}/commands`, { capability, value });
export const removeDevice = (device) => ask("DELETE", `/api/devices/${id(device)}`);
export const adopt = (found, code) => ask("POST", `/api/found/${id(found.id)}/adopt`, { family: found.family, code });
export const erasePictures = (camera) => ask("POST", "/api/erase", { scope: { classes: ["snapshot"], cameras: [camera] } });
export const erasePerson = (person) => ask("POST", "/api/erase", { scope: { subjects: [person] } });
export const release = (hold) => ask("DELETE", `/api/holds/${id(hold)}`);
export const confirmTime = (at) => ask("POST", "/api/time", { at });

export const imageOf = (snapshot) => `/api/snapshots/${id(snapshot.id)}/image`;
export const thumbnailOf = (snapshot) => `/api/snapshots/${id(snapshot.id)}/thumbnail`;
export const receiptFile = (receipt) => `/api/receipts/${id(receipt.order)}/${id(receipt.kind)}`;

// Signing in
export const who = () => ask("GET", "/api/who");
export const claimHome = (body) => ask("POST", "/api/claim", body);
export const signInByPassword = (body) => ask("POST", "/api/sign-in/password", body);
export const signInByCode = (body) => ask("POST", "/api/sign-in/code", body);
export const signInByButton = (body) => ask("POST", "/api/sign-in/button", body);
export const passkeyQuestion = () => ask("POST", "/api/sign-in/passkey/options", {});
export const signInByPasskey = (body) => ask("POST", "/api/sign-in/passkey", body);
export const signOut = () => ask("DELETE", "/api/session");
export const showPresence = (body) => ask("POST", "/api/presence", body);

// One's own account
export const sessions = () => ask("GET", "/api/sessions");
export const endSession = (session) => ask("DELETE", `/api/sessions/${id(session)}`);
export const ways = () => ask("GET", "/api/ways");
export const setPassword = (body) => ask("PUT", "/api/ways/password", body);
export const newPasskeyQuestion = () => ask("POST", "/api/ways/passkeys/options", {});
export const addPasskey = (body) => ask("POST", "/api/ways/passkeys", body);
export const removePasskey = (passkey) => ask("DELETE", `/api/ways/passkeys/${id(passkey)}`);
export const beginSecondFactor = () => ask("POST", "/api/ways/second-factor", {});
export const confirmSecondFactor = (code) => ask("POST", "/api/ways/second-factor/confirm", { code });
export const removeSecondFactor = () => ask("DELETE", "/api/ways/second-factor");
export const newRecoveryCodes = () => ask("POST", "/api/ways/recovery-codes", {});
export const tokens = () => ask("GET", "/api/tokens");
export const makeToken = (body) => ask("POST", "/api/tokens", body);
export const endToken = (token) => ask("DELETE", `/api/tokens/${id(token)}`);

// What is kept of oneself
export const consents = () => ask("GET", "/api/consents");
export const giveConsent = (body) => ask("POST", "/api/consents", body);
export const withdrawConsent = (kind) => ask("DELETE", `/api/consents/${id(kind)}`);
export const inventory = () => ask("GET", "/api/inventory");
export const copies = () => ask("GET", "/api/exports");
export const askForCopy = (body) => ask("POST", "/api/exports", body);
export const dropCopy = (copy) => ask("DELETE", `/api/exports/${id(copy)}`);
export const copyFile = (copy) => `/api/exports/${id(copy.id)}`;
export const restrict = (body) => ask("POST", "/api/restrict", body);
export const object = (body) => ask("POST", "/api/object", body);

// People, and what concerns them
export const people = () => ask("GET", "/api/people");
export const addPerson = (body) => ask("POST", "/api/people", body);
export const changePerson = (person, body) => ask("PATCH", `/api/people/${id(person)}`, body);
export const removePerson = (person) => ask("DELETE", `/api/people/${id(person)}`);
export const makeLink = (person) => ask("POST", `/api/people/${id(person)}/link`, {});
export const grants = () => ask("GET", "/api/grants");
export const giveGrant = (body) => ask("POST", "/api/grants", body);
export const endGrant = (grant) => ask("DELETE", `/api/grants/${id(grant)}`);
export const supportCases = () => ask("GET", "/api/support");
export const openSupport = (body) => ask("POST", "/api/support", body);
export const endSupport = (session) => ask("DELETE", `/api/support/${id(session)}`);
export const agreements = () => ask("GET", "/api/agreements");
export const agree = (agreement) => ask("POST", `/api/agreements/${id(agreement)}`, {});
export const disagree = (agreement) => ask("DELETE", `/api/agreements/${id(agreement)}`);
/** At most `limit` lines, the newest first; with `before`, of those that came before that number. */
export const activity = (limit, before) => ask("GET", `/api/activity?limit=${limit}${before ? `&before=${before}` : ""}`);
