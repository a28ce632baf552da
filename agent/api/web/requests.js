// What the page asks the gateway to do. Every refusal is a `Refusal` that says why, and what to do about it.

export class Refusal extends Error {
  constructor({ code, detail, cure }) {
    super(cure ? `${detail} (${cure})` : detail);
    this.code = code;
  }
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal({ code: "no_contact", detail: "The gateway did not answer", cure: "" });
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    throw new Refusal(await response.json());
  }
  throw new Refusal({ code: "bug", detail: `The gateway answered ${response.status}`, cure: "see its log" });
}

const id = encodeURIComponent;

export const command = (device, capability, value) => ask("POST", `/api/devices/${id(device)}/commands`, { capability, value });
export const removeDevice = (device) => ask("DELETE", `/api/devices/${id(device)}`);
export const adopt = (found, code) => ask("POST", `/api/found/${id(found.id)}/adopt`, { family: found.family, code });
export const erasePictures = (camera) => ask("POST", "/api/erase", { scope: { classes: ["snapshot"], cameras: [camera] } });
export const release = (hold) => ask("DELETE", `/api/holds/${id(hold)}`);
export const confirmTime = (at) => ask("POST", "/api/time", { at });

export const imageOf = (snapshot) => `/api/snapshots/${id(snapshot.id)}/image`;
export const thumbnailOf = (snapshot) => `/api/snapshots/${id(snapshot.id)}/thumbnail`;
export const receiptFile = (receipt) => `/api/receipts/${id(receipt.order)}/${id(receipt.kind)}`;
