/* Words of the page in English and Chinese, and of reasons. */
export const WORDS = {
  en: {
    name: "House of Stories", heading: "Picked for you", language: "中文",
    hint: "Touch what interests you. The order follows what you do.",
    ask: "What do you know about me?", anew: "Start anew",
    promise: "Nothing about you is kept: when you leave, it is gone.",
    like: "I like this", dislike: "Not for me", back: "Back to the list",
    knownTitle: "What this screen knows of you",
    knownPromise: "It is in this machine's memory only, and nobody can read it later.",
    erase: "Erase it now", nothing: "Nothing yet.",
    idleTitle: "Are you still there?", idleText: "All of this is wiped in", seconds: "seconds.",
    stay: "I am still here", updated: "The list is in a new order.", trouble: "One moment, please.",
    events: (count) => `Things noted since you began: ${count}`,
    liked: (titles) => `You turned to: ${titles}`, join: "; ",
    because: (title) => `because you chose ${title}`, of: (name) => `from ${name}, which you like`,
    kinds: { film: "Film", exhibit: "Exhibit", book: "Book", talk: "Talk", workshop: "Workshop",
      music: "Music", tour: "Walk" },
    topics: { sea: "Sea", space: "Space", nature: "Nature", rail: "Railways",
      bread: "Food", art: "Art", past: "The town", code: "Machines" },
    reasons: { similar: "like what you chose", session: "like what you look at now",
      category: "from what you like", next: "what you tend to look at next",
      popular: "popular with visitors", dismissed: "new to you", disliked: "unlike what you turned down",
      repeat: "you chose this before", seen: "not shown before", model: "goes with what you did",
      together: "often chosen along with it", host: "recommended here" },
  },
  zh: {
    name: "故事之家", heading: "为您推荐", language: "English",
    hint: "点选您感兴趣的内容，顺序会随之变化。",
    ask: "本机了解我什么？", anew: "重新开始",
    promise: "不保留您的任何信息：您一离开，就全部清除。",
    like: "我喜欢", dislike: "不感兴趣", back: "返回列表",
    knownTitle: "本机对您的了解",
    knownPromise: "仅存于本机内存，之后谁也无法读取。",
    erase: "立即清除", nothing: "暂时没有。",
    idleTitle: "您还在吗？", idleText: "将清除全部内容，剩余", seconds: "秒。",
    stay: "我还在", updated: "列表已更新顺序。", trouble: "请稍候。",
    events: (count) => `自您开始以来的记录：${count} 条`,
    liked: (titles) => `您关注过：${titles}`, join: "；",
    because: (title) => `因为您选择了“${title}”`, of: (name) => `来自您喜欢的“${name}”`,
    kinds: { film: "电影", exhibit: "展品", book: "书籍", talk: "讲座", workshop: "工作坊",
      music: "音乐", tour: "漫步" },
    topics: { sea: "大海", space: "太空", nature: "自然", rail: "铁路",
      bread: "饮食", art: "艺术", past: "小城往事", code: "机器" },
    reasons: { similar: "与您选择的相似", session: "与您正在看的相似", category: "来自您喜欢的类别",
      next: "您接下来常看的内容", popular: "受参观者欢迎", dismissed: "对您来说是新的",
      disliked: "与您不喜欢的不同", repeat: "您之前选择过", seen: "之前未展示",
      model: "与您的选择相配", together: "常一同被选", host: "此处推荐" },
  },
};

/* The strongest reason that moves an item up, in words; "" where nothing sets it apart. */
export function reason(entry, words, titleOf) {
  const ups = entry.reasons.filter((one) => one.weight > 0 && one.code in words.reasons);
  const told = ups.find((one) => !["disliked", "seen"].includes(one.code)) ?? ups[0];
  if (!told) return "";
  const title = told.item_id && titleOf(told.item_id);
  if (title) return words.because(title);
  const name = words.topics[told.category] ?? words.kinds[told.category];
  return name ? words.of(name) : words.reasons[told.code];
}
