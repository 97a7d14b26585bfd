// The sandbox's page API over HTTP: one request for the state, one stream of events, small actions.

export class Refused extends Error {}

export async function loadState(me) {
  const answer = await fetch(`/api/state?me=${me ?? ""}`);
  if (!answer.ok) throw new Refused(await answer.text());
  return answer.json();
}

/** Do something as a person. Throws Refused with the sandbox's reason. */
export async function act(name, values) {
  const answer = await fetch(`/api/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error);
  return body;
}

const KINDS = ["message", "edit", "delete", "reaction", "action", "answer", "chat", "commands", "settings", "reset"];

/** Follow the events after a cursor; the browser reconnects by itself. Returns a function that stops. */
export function follow(me, cursor, heard, connected) {
  const source = new EventSource(`/api/events?me=${me}&after=${cursor}`);
  for (const kind of KINDS) source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  source.onopen = () => connected(true);
  source.onerror = () => connected(false);
  return () => source.close();
}
