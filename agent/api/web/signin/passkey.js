// Passkeys: WebAuthn Level 3 as JSON, with what browsers lack that have an older level (Safari before 18.4).
import { Refusal } from "../requests.js";

/** Whether this browser can use passkeys at this address; no passkey is ever for an address in digits. */
export const canUsePasskeys = () =>
  isSecureContext && "PublicKeyCredential" in window && !/^[\d.]+$|^\[/.test(location.hostname);

/** Make a passkey on the person's device; `options` as the gateway gave them. Returns the answer as JSON. */
export async function createPasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: options.excludeCredentials?.map(decoded),
  };
  return asJson(await asked(() => navigator.credentials.create({ publicKey })));
}

/**
 * Ask for a passkey. With `mediation: "conditional"` it is offered where the person types who they are, and nothing
 * else happens until they choose it or `signal` ends it.
 */
export async function usePasskey(options, more = {}) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: options.allowCredentials?.map(decoded),
  };
  return asJson(await asked(() => navigator.credentials.get({ publicKey, ...more })));
}

/** Whether the browser offers passkeys while somebody types. */
export const offersWhileTyping = async () =>
  canUsePasskeys() && Boolean(await PublicKeyCredential.isConditionalMediationAvailable?.());

const WHY_NOT = {
  AbortError: ["passkey_aborted", "Something else was chosen"],
  InvalidStateError: ["passkey_there", "This device has a passkey for this gateway already"],
  NotAllowedError: ["passkey_stopped", "No passkey was given"],
  SecurityError: ["passkey_elsewhere", "Passkeys do not work at this address"],
};

async function asked(question) {
  try {
    return await question();
  } catch (error) {
    const [code, detail] = WHY_NOT[error.name] ?? ["passkey_failed", "The browser could not use a passkey"];
    throw new Refusal({ code, detail });
  }
}

const decoded = (credential) => ({ ...credential, id: bytes(credential.id) });

function bytes(text) {
  const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return base64.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function asJson(credential) {
  if (credential.toJSON) return credential.toJSON();
  const { id, type, response, authenticatorAttachment } = credential;
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const said = Object.fromEntries(parts.filter((part) => response[part]).map((part) => [part, text(response[part])]));
  if (response.getTransports) said.transports = response.getTransports();
  return {
    id,
    rawId: text(credential.rawId),
    type,
    authenticatorAttachment: authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: said,
  };
}
