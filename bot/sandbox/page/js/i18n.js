// Words: the page in English and Chinese, by the browser's language or the visitor's choice.

const WORDS = {
  en: {
    sandbox: "Sandbox", note: "A local stand-in for Telegram. Nothing you write leaves this machine.",
    you: "You are", chats: "Chats", bot: "bot", members: (n) => `${n} members`, typing: "typing…",
    isTyping: (name) => `${name} is typing…`, message: "Message", messageIn: (chat) => `Message to ${chat}`,
    send: "Send", save: "Save", reply: "Reply", replyTo: (name) => `Reply to ${name}`, edit: "Edit",
    editing: "Edit message", delete: "Delete", react: "React", cancel: "Cancel", back: "Back to chats",
    edited: "edited", silent: "Sent without sound", empty: "No messages yet", ok: "OK", today: "Today", yesterday: "Yesterday",
    hello: (name) => `Say something to ${name}. It answers here, in real time.`,
    helloGroup: (bot) => `In a group the bot hears commands, replies to it, and mentions: try @${bot}.`,
    commands: "Commands", noCommands: "The bot has set no commands", mentions: "Mention",
    theme: { auto: "Theme: like the system", light: "Theme: light", dark: "Theme: dark" }, language: "中文",
    switches: "Sandbox switches", privacy: "Privacy mode in groups", privacyOf: {
      strict: "Commands and replies only", mentions: "Also @mentions (default)", off: "Off: the bot reads everything" },
    limits: "Telegram's flood limits", limitsHint: "Too many calls in a chat are refused with 429, as Telegram does.",
    lost: "The sandbox does not answer. Trying again…", block: "Block the bot", unblock: "Unblock the bot",
    blocked: "You have blocked the bot.", latest: "To the latest message", newMessages: (n) => `${n} new`,
    joined: (names) => `${names} joined`, left: (name) => `${name} left`, topic: (name) => `Topic “${name}” was created`,
    migratedTo: "This group became a supergroup", migratedFrom: "This supergroup was a group before", service: "Something happened",
    spoiler: "Hidden text, press to show", failed: (why) => `Not possible: ${why}`, offline: "The sandbox cannot be reached",
    options: "Chat options", attach: "Send something else", photoOrFile: "Picture or file…", photo: "Picture", file: "File", voice: "Voice message",
    sticker: "Sticker", poll: "Poll", samplePoll: "Tea or coffee?\nTea\nCoffee",
    cards: "Cards of the bot", via: (name) => `via @${name}`, deletedMessage: "Deleted message", anonymous: "Anonymous admin", more: "More", copied: "Copied",
  },
  zh: {
    sandbox: "沙盒", note: "这是本机上的 Telegram 替身，你写的内容不会离开这台机器。",
    you: "当前身份", chats: "聊天", bot: "机器人", members: (n) => `${n} 位成员`, typing: "正在输入…",
    isTyping: (name) => `${name} 正在输入…`, message: "消息", messageIn: (chat) => `发给 ${chat} 的消息`,
    send: "发送", save: "保存", reply: "回复", replyTo: (name) => `回复 ${name}`, edit: "编辑",
    editing: "编辑消息", delete: "删除", react: "回应", cancel: "取消", back: "返回聊天列表",
    edited: "已编辑", silent: "静默发送", empty: "还没有消息", ok: "好", today: "今天", yesterday: "昨天",
    hello: (name) => `对 ${name} 说点什么，它会在这里实时回答。`,
    helloGroup: (bot) => `在群里，机器人能看到命令、对它的回复和提及：试试 @${bot}。`,
    commands: "命令", noCommands: "机器人还没有设置命令", mentions: "提及",
    theme: { auto: "外观：跟随系统", light: "外观：浅色", dark: "外观：深色" }, language: "English",
    switches: "沙盒开关", privacy: "群组隐私模式", privacyOf: {
      strict: "仅命令和回复", mentions: "另加 @ 提及（默认）", off: "关闭：机器人看到全部消息" },
    limits: "Telegram 的频率限制", limitsHint: "同一聊天里调用过多会像 Telegram 一样返回 429。",
    lost: "沙盒没有响应，正在重试…", block: "屏蔽机器人", unblock: "取消屏蔽",
    blocked: "你已屏蔽机器人。", latest: "回到最新消息", newMessages: (n) => `${n} 条新消息`,
    joined: (names) => `${names} 加入了群组`, left: (name) => `${name} 离开了群组`, topic: (name) => `已创建话题“${name}”`,
    migratedTo: "此群组已升级为超级群组", migratedFrom: "此超级群组由普通群组升级而来", service: "发生了一件事",
    spoiler: "隐藏的文字，点按显示", failed: (why) => `无法完成：${why}`, offline: "无法连接沙盒",
    options: "聊天选项", attach: "发送其他内容", photoOrFile: "图片或文件…", photo: "图片", file: "文件", voice: "语音消息",
    sticker: "贴纸", poll: "投票", samplePoll: "喝茶还是咖啡？\n茶\n咖啡",
    cards: "机器人的卡片", via: (name) => `通过 @${name}`, deletedMessage: "已删除的消息", anonymous: "匿名管理员", more: "更多", copied: "已复制",
  },
};

const KEY = "tandem.language";

function detect() {
  const kept = localStorage.getItem(KEY);
  if (kept in WORDS) return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export let language = detect();
export let words = WORDS[language];

export function setLanguage(code) {
  language = code;
  words = WORDS[code];
  localStorage.setItem(KEY, code);
  applyLanguage();
}

export function applyLanguage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `Tandem · ${words.sandbox}`;
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

export function clock(seconds) {
  return new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(seconds * 1000);
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  const away = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  if (away === 0) return words.today;
  if (away === 1) return words.yesterday;
  return new Intl.DateTimeFormat(locale(), { dateStyle: "long" }).format(date);
}
