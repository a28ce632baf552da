// What the page says, and how: words from the catalogue of a language, numbers and times by its customs.

export const LANGUAGES = { nb: "Norsk", en: "English" };
const LOCALES = { nb: "nb-NO", en: "en-GB" };
const STORED = "portvakt.language";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The language that was chosen here before, or null. */
export function chosenLanguage() {
  const chosen = localStorage.getItem(STORED);
  return chosen in LANGUAGES ? chosen : null;
}

/** The language chosen here before, else the first of the browser's that we have. */
export function preferredLanguage() {
  const chosen = chosenLanguage();
  if (chosen) return chosen;
  for (const tag of navigator.languages) {
    const language = tag.toLowerCase().split("-")[0];
    if (["nb", "nn", "no", "da", "sv"].includes(language)) return "nb";
    if (language === "en") return "en";
  }
  return "en";
}

export function rememberLanguage(language) {
  localStorage.setItem(STORED, language);
}

/** Fetch the catalogue of `language` and return its words. */
export async function loadWords(language) {
  const response = await fetch(`/static/${language}.json`);
  if (!response.ok) throw new Error(`no catalogue for ${language}`);
  return new Words(language, await response.json());
}

export class Words {
  constructor(language, catalogue) {
    this.language = language;
    this.catalogue = catalogue;
    const locale = LOCALES[language];
    this.plural = new Intl.PluralRules(locale);
    this.number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
    this.clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
    this.exact = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
    this.long = new Intl.DateTimeFormat(locale, { dateStyle: "full" });
    this.list = new Intl.ListFormat(locale);
    this.whole = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" });
  }

  /** The sentence `key`, its `{names}` filled in; with `n`, the form that the language wants for that number. */
  say(key, values = {}) {
    const form = "n" in values ? `${key}.${this.plural.select(values.n)}` : key;
    const sentence = this.catalogue[form] ?? this.catalogue[`${key}.other`];
    if (sentence === undefined) throw new Error(`${this.language} has no words for ${form}`);
    return sentence.replace(/\{(\w+)\}/g, (_, name) =>
      typeof values[name] === "number" ? this.number.format(values[name]) : values[name],
    );
  }

  /** The sentence `key`, or `otherwise` where a device brings a word that we do not know. */
  sayIfKnown(key, otherwise) {
    return Object.hasOwn(this.catalogue, key) ? this.catalogue[key] : otherwise;
  }

  /** A time of day, with its date unless that is today's. `time` is RFC 3339. */
  time(time, { seconds = false } = {}) {
    const date = new Date(time);
    const clock = (seconds ? this.exact : this.clock).format(date);
    return date.toDateString() === new Date().toDateString() ? clock : `${this.day.format(date)} ${clock}`;
  }

  /** A day, with its weekday and year: what happened is listed under it. */
  date(time) {
    return this.long.format(new Date(time));
  }

  /** The time of day alone. */
  hour(time) {
    return this.clock.format(new Date(time));
  }

  /** A time with all of its date, for who has to say whether it is right. */
  moment(time) {
    return this.whole.format(new Date(time));
  }

  /** A span in its two largest units: `4 min 12 s`. */
  span(seconds) {
    const whole = Math.max(0, Math.ceil(seconds));
    const parts = [
      ["span.day", Math.floor(whole / DAY)],
      ["span.hour", Math.floor((whole % DAY) / HOUR)],
      ["span.minute", Math.floor((whole % HOUR) / MINUTE)],
      ["span.second", whole % MINUTE],
    ];
    const first = parts.findIndex(([, count]) => count > 0);
    if (first < 0) return this.say("span.second", { count: 0 });
    return parts
      .slice(first, first + 2)
      .filter(([, count]) => count > 0)
      .map(([key, count]) => this.say(key, { count }))
      .join(" ");
  }

  /** Several names in one sentence: `Kari, Ola and Per`. */
  listed(names) {
    return this.list.format(names);
  }

  /** A value as people read it, with its unit. */
  value(value, { unit = "", kind = "" } = {}) {
    if (value === null || value === undefined) return this.say("value.none");
    if (kind === "bool" || typeof value === "boolean") return this.say(value ? "value.on" : "value.off");
    if (typeof value === "number") return unit ? `${this.number.format(value)}\u00a0${unit}` : this.number.format(value);
    return this.sayIfKnown(`choice.${value}`, value);
  }
}
