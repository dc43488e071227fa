/** A client of `edge-rerank serve`: starts it, and talks to it over its standard input and output. */

import { spawn, type ChildProcess } from "node:child_process";

export interface Item {
  id: string | number;
  text?: string;
  categories?: string[];
  popularity?: number | null;
  score?: number | null;
  vector?: number[];
  fields?: Record<string, string | number | boolean | null>;
  /** UTC seconds, for `fresh`. */
  published?: number | null;
  /** `data:` URLs. */
  image?: string | null;
  audio?: string | null;
}

export type Text = string | (Pick<Item, "categories" | "popularity" | "score"> & { id?: Item["id"]; text: string });

export type EventType =
  | "impression" | "click" | "view" | "search" | "like" | "dislike" | "dismiss"
  | "add_to_cart" | "purchase" | "complete" | "rating";

export interface Event {
  type: EventType;
  /** The item, or its id alone where it was ranked before; a search has none, nor has a rating of a whole list. */
  item?: Item | string | number;
  /** UTC seconds; now, if left out. */
  timestamp?: number;
  dwell_s?: number;
  scroll?: number;
  query?: string;
  value?: number;
  /** `Ranking.id` of the list in which the item was shown. */
  ranking?: string;
  position?: number;
  id?: string;
}

/** Short strings and numbers by short names; `null` takes one away, or is not known. */
export type Values = Readonly<Record<string, string | number | null>>;

/** What a good list is; every rule is off until it is given. */
export interface ListPolicy {
  block?: { ids?: string[]; categories?: string[]; words?: string[] };
  /** Places from 1 by item id. */
  pin?: Record<string, number>;
  caps?: { key: string; most?: number; share?: number; hard?: boolean; of?: string | number | boolean }[];
  spread?: { key: string; distance?: number }[];
  decay?: { key: string; factor?: number; floor?: number }[];
  fatigue?: { shown?: number; hidden_days?: number; back_days?: number; least?: number };
  rotate?: { rate?: number; seconds?: number };
  fresh?: { half_life_days?: number; weight?: number };
  floor?: number;
  collapse?: { cosine?: number; words?: number };
  diversity?: { strength?: number; method?: "mmr" | "dpp"; cost?: number };
  calibrate?: { strength?: number };
  had?: "sink" | "stay";
  explore?: number;
}

/** How an item was shown to the person so far, for `fatigue` and `rotate`; `last` in UTC seconds. */
export interface Exposure {
  shown: number;
  chosen?: number;
  last?: number | null;
}

export interface RankOptions {
  query?: string;
  top_k?: number;
  /** 0 to 1. */
  diversity?: number;
  host_order?: boolean;
  budget_ms?: number;
  /** What is wanted of things that the person had before; "learn" if not said. */
  repeats?: "never" | "fresh" | "learn";
  /** Circumstances of the call, as `{ hour: 20, device: "kiosk" }`; not recorded. */
  context?: Values;
  /** Which of your lists this is, as "home". */
  surface?: string;
  policy?: ListPolicy;
  /** By item id; the impressions that were recorded, if left out. */
  exposures?: Record<string, Exposure>;
  /** UTC seconds; the server's own, if left out. */
  now?: number;
  /** `false` for a list that the person does not get to see: nothing is learnt from it. */
  shown?: boolean;
  /** Language of `why`, as "zh"; English if left out. */
  locale?: string;
  /** Also answer with the reasons, as codes, or in a person's words. */
  reasons?: boolean;
  why?: boolean;
  /** Also answer with text, categories and fields. */
  return_items?: boolean;
}

export type TextOptions = Omit<RankOptions, "query" | "host_order" | "locale" | "reasons" | "why" | "return_items">;

export type Degradation =
  | "history-unavailable" | "time-budget" | "text-not-read" | "learning-reset" | "rules-not-met" | "host-order";

export interface Ranked {
  /** The place in what was handed over, from 0. */
  index: number;
  id: string;
  rank: number;
  score: number;
  reasons?: { code: string; weight: number; item_id: string | null; category: string | null }[];
  why?: string[];
  text?: string;
  categories?: string[];
  fields?: Item["fields"];
}

export interface Ranking {
  /** To be handed back in `Event.ranking`. */
  id: string;
  took_ms: number;
  personalised: boolean;
  degraded: Degradation[];
  unread: { candidates: number; history: number; query: number };
  /** Which pack read the texts. */
  pack: string;
  /** Whose order it is: the person's, yours, or both in turn. */
  order: "personal" | "interleaved" | "host";
  /** What the policy left out, and by which rule. */
  left_out: { id: string; code: string }[];
  /** Of each place, where something was left to chance. */
  chances: number[];
  items: Ranked[];
}

export interface RankedTexts extends Pick<Ranking, "id" | "took_ms" | "personalised" | "degraded"> {
  results: { index: number; id: string; score: number }[];
}

export interface Profile {
  events: number;
  sessions: number;
  first: number | null;
  last: number | null;
  by_type: Partial<Record<EventType, number>>;
  top_categories: Record<string, number>;
  liked: string[];
  disliked: string[];
  searches: string[];
  consents: Record<string, boolean>;
  unread: number;
  degraded: Degradation[];
}

/** A figure and the interval that holds it at 95 %. */
export interface Figure {
  value: number;
  low: number | null;
  high: number | null;
}

export interface ListFigures {
  /** Of the month, as "2026-11", of the surface or of the order. */
  name: string;
  lists: number;
  clicked: number;
  refused: number;
  click_through: Figure | null;
  satisfied: Figure | null;
  place: Figure | null;
  mrr: Figure | null;
  rated: number;
  rating: Figure | null;
}

export interface Comparison {
  lists: number;
  place: Figure;
  other: Figure;
  higher: Figure;
  mrr: Figure;
}

export interface Covered {
  shown: number;
  offered: number;
  share: number | null;
  gini: number | null;
}

/** How a person's lists did; it names no item. */
export interface Stats {
  whole: ListFigures;
  by_month: ListFigures[];
  by_surface: ListFigures[];
  by_order: ListFigures[];
  places: Record<string, number>;
  against_host: Comparison | null;
  against_pack: Comparison | null;
  estimates: { estimator: string; value: Figure; effective_size: number; lists: number; clipped: number }[];
  diversity: { lists: number; categories: Figure | null; vectors: Figure | null; recall: Figure | null } | null;
  coverage: { items: Covered; categories: Covered } | null;
  notes: { code: string; have: number; need: number; newest: number; text: string }[];
}

export interface Receipt {
  events: number;
  key_rotated: boolean;
}

/** What the server refused; `type` is the name of the error in Python, as "ConsentRequired". */
export class EdgeRerankError extends Error {
  constructor(message: string, readonly type: string, readonly code: number) {
    super(message);
    this.name = "EdgeRerankError";
  }
}

export interface StartOptions {
  /** The program and its arguments; `edge-rerank serve` as it is found, if left out. */
  command?: readonly string[];
  /** Flags, as `["--history", "me.db", "--key-file", "key"]`. */
  flags?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

type Whose = { user?: string | null } | { guest: string };
type Call = { resolve: (result: any) => void; reject: (error: Error) => void };

/** A person, or a visitor whom nobody will remember. */
class Ranker {
  constructor(protected readonly call: <T>(method: string, params: object) => Promise<T>, protected readonly whose: Whose) {}

  rank(items: readonly Item[], options: RankOptions = {}): Promise<Ranking> {
    return this.call("rank", { ...this.whose, items, ...options });
  }

  rankTexts(query: string | null, texts: readonly Text[], options: TextOptions = {}): Promise<RankedTexts> {
    return this.call("rank_texts", { ...this.whose, query, texts, ...options });
  }

  /** How many of the events were new. */
  async record(events: Event | readonly Event[]): Promise<number> {
    const all = Array.isArray(events) ? events : [events];
    return (await this.call<{ recorded: number }>("record", { ...this.whose, events: all })).recorded;
  }

  /** Keep what the application knows of the person, as an age group. */
  async describe(attributes: Values): Promise<void> {
    await this.call("describe", { ...this.whose, attributes });
  }

  async consent(granted: boolean, purpose = "personalisation"): Promise<void> {
    await this.call("consent", { ...this.whose, granted, purpose });
  }

  profile(): Promise<Profile> {
    return this.call("profile", this.whose);
  }

  /** How the lists that they were shown did; notes are in the language, as "zh". */
  stats(locale?: string): Promise<Stats> {
    return this.call("stats", { ...this.whose, ...(locale && { locale }) });
  }
}

export class Guest extends Ranker {
  /** Forget the visitor. */
  async close(): Promise<void> {
    await this.call("guest_close", this.whose);
  }
}

export class Person extends Ranker {
  async pause(): Promise<void> {
    await this.call("pause", this.whose);
  }

  async resume(): Promise<void> {
    await this.call("resume", this.whose);
  }

  /** Everything that is stored about the person. */
  access(): Promise<Record<string, unknown>> {
    return this.call("access", this.whose);
  }

  forget(): Promise<Receipt> {
    return this.call("forget", this.whose);
  }
}

export class EdgeRerank {
  private readonly calls = new Map<number, Call>();
  private readonly ended: Promise<void>;
  private next = 1;
  private over: Error | null = null;

  private constructor(private readonly child: ChildProcess) {
    let rest = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      lines.forEach((line) => this.settle(line));
    });
    child.stdin!.on("error", () => {}); // the process is gone, which "close" tells
    this.ended = new Promise((resolve) => {
      const end = (error: Error) => {
        this.over ??= error;
        this.calls.forEach((call) => call.reject(this.over!));
        this.calls.clear();
        resolve();
      };
      child.on("error", end);
      child.on("close", (code) => end(new Error(`edge-rerank has ended with code ${code}`)));
    });
  }

  /** Start the server; its complaints go where this process's do. */
  static start({ command = ["edge-rerank", "serve"], flags = [], env }: StartOptions = {}): EdgeRerank {
    const [program, ...first] = command;
    const child = spawn(program!, [...first, ...flags], { stdio: ["pipe", "pipe", "inherit"], ...(env && { env }) });
    return new EdgeRerank(child);
  }

  /** Whose history counts: the person's, or nobody's. */
  person(user: string | null): Person {
    return new Person(this.call, { user });
  }

  async openGuest(): Promise<Guest> {
    const { guest } = await this.call<{ guest: string }>("guest_open", {});
    return new Guest(this.call, { guest });
  }

  /** Read items ahead of time; later events may name them by their ids. */
  async warmup(items: readonly Item[]): Promise<void> {
    await this.call("warmup", { items });
  }

  info(): Promise<{ version: string; pack: { name: string; release: number; digest: string } }> {
    return this.call("info", {});
  }

  /** End the server in good order. */
  async close(): Promise<void> {
    this.child.stdin!.end();
    await this.ended;
  }

  private readonly call = <T>(method: string, params: object): Promise<T> =>
    new Promise((resolve, reject) => {
      if (this.over) return reject(this.over);
      const id = this.next++;
      this.calls.set(id, { resolve, reject });
      this.child.stdin!.write(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
    });

  private settle(line: string): void {
    const { id: told, result, error } = JSON.parse(line);
    // What is too large to be read has no id; answers come in the order of the calls.
    const id: number = told ?? this.calls.keys().next().value;
    const call = this.calls.get(id);
    this.calls.delete(id);
    if (error) call?.reject(new EdgeRerankError(error.message, error.data.type, error.code));
    else call?.resolve(result);
  }
}
