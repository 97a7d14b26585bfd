// A prompt token by token: which the template wrote, which were computed before, which were read now.

import { h } from "./dom.js";
import { words } from "./i18n.js";

const LONG = 160;

/** The prompt of a request; of a `remembered` result nothing was read now. */
export function promptView({ finish, prompt, task }, remembered, unfold) {
  const tokens = prompt.reduce((sum, [, count]) => sum + count, 0);
  const cached = remembered ? tokens : (finish?.usage.cached ?? 0);
  const long = prompt.length > LONG && !unfold(task);
  return h(
    "div", { class: "prompt" },
    h("h4", {}, words.promptTitle, h("small", {}, words.tokenCount(tokens, cached))),
    h("div", { class: `tokens ${long ? "folded" : ""}`, dir: "auto", data: { testid: "tokens" } }, tokenNodes(prompt, cached)),
    prompt.length > LONG && h("button", { type: "button", class: "plain", onclick: () => unfold(task, true) }, long ? words.showAll : words.showLess),
    legend(),
  );
}

function tokenNodes(prompt, cached) {
  let end = 0;
  return prompt.flatMap(([text, count, control]) => {
    end += count;
    const kind = `${control ? "control" : ""} ${end <= cached ? "reused" : ""}`;
    const node = h("span", { class: `token ${kind}` }, text.replaceAll("\n", "↵"));
    return text.includes("\n") ? [node, "\n"] : [node];
  });
}

function legend() {
  const { control, reused, fresh } = words.tokenKinds;
  const entry = (kind, name) => h("span", {}, h("i", { class: `token ${kind}` }), name);
  return h("div", { class: "legend" }, entry("reused", reused), entry("", fresh), entry("control", control));
}
