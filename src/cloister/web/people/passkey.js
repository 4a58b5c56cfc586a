// Passkeys are the one thing that a page cannot do without a script.
"use strict";

const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error || "that did not work");
  return said;
}

async function create(asked) {
  const options = { ...asked, challenge: bytes(asked.challenge) };
  options.user = { ...asked.user, id: bytes(asked.user.id) };
  options.excludeCredentials = (asked.excludeCredentials || []).map((one) => ({
    ...one, id: bytes(one.id),
  }));
  const made = await navigator.credentials.create({ publicKey: options });
  return {
    id: made.id, rawId: text(made.rawId), type: made.type,
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
    },
  };
}

async function get(asked) {
  const options = { ...asked, challenge: bytes(asked.challenge), allowCredentials: [] };
  const found = await navigator.credentials.get({ publicKey: options });
  const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
  return {
    id: found.id, rawId: text(found.rawId), type: found.type,
    response: {
      clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData),
      signature: text(signature), userHandle: userHandle ? text(userHandle) : null,
    },
  };
}

async function run(button) {
  const path = button.dataset.passkey;
  const label = document.getElementById("passkey-label");
  const said = document.getElementById("passkey-said");
  said.textContent = "";
  try {
    const asked = await post(path + "/options", {});
    const made = button.dataset.make ? await create(asked.options) : await get(asked.options);
    const done = await post(path, {
      answer: JSON.stringify(made), challenge: asked.challenge,
      label: label ? label.value : "", next: button.dataset.next || "",
    });
    location.assign(done.next);
  } catch (error) {
    said.textContent = error.name === "NotAllowedError" ? "Nothing was chosen." : error.message;
  }
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  button.hidden = !window.PublicKeyCredential;
  button.addEventListener("click", () => run(button));
}
