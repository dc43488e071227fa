/* A picture for each item, drawn from its topic: nothing to load, and never the same twice. */
const INK = { sea: 205, space: 255, nature: 130, rail: 15, bread: 35, art: 325, past: 55, code: 180 };

/* Numbers from 0 to 1 that an item's id gives again each time. */
function numbers(id) {
  let state = [...id].reduce((sum, sign) => (sum * 31 + sign.charCodeAt(0)) >>> 0, 7);
  return () => (state = (state * 1664525 + 1013904223) >>> 0) / 2 ** 32;
}

const many = (count, make) => Array.from({ length: count }, (_, n) => make(n)).join("");
const MOTIFS = {
  sea: (r) => `<circle cx="${90 + r() * 220}" cy="${50 + r() * 40}" r="34" fill="#fff" opacity=".8"/>` +
    many(4, (n) => { const y = 120 + n * 30, d = 14 + r() * 18; return `<path d="M0 ${y}q50 ${-d} 100 0t100 0t100 0t100 0V240H0z" fill="#04263d" opacity="${0.25 + n * 0.15}"/>`; }),
  space: (r) => many(40, () => `<circle cx="${r() * 400}" cy="${r() * 225}" r="${0.6 + r() * 1.6}" fill="#fff"/>`) +
    `<g transform="translate(${140 + r() * 130} ${90 + r() * 50}) rotate(${r() * 60 - 30})"><circle r="46" fill="#ffd9a0"/><ellipse rx="84" ry="16" fill="none" stroke="#fff" stroke-width="7" opacity=".75"/></g>`,
  nature: (r) => many(7, (n) => { const x = 20 + n * 58 + r() * 20, h = 70 + r() * 90; return `<path d="M${x} 225v${-h}" stroke="#0d3b1e" stroke-width="6"/><ellipse cx="${x}" cy="${225 - h}" rx="${20 + r() * 14}" ry="${34 + r() * 22}" fill="#0d3b1e" opacity="${0.5 + r() * 0.4}"/>`; }),
  rail: (r) => { const x = 130 + r() * 140; return `<circle cx="${x}" cy="86" r="38" fill="#ffe3b8"/><path d="M0 92h400v133H0z" fill="#3a1408"/>` + many(7, (n) => `<path d="M${x - 8 - n * n * 4.5} ${96 + n * n * 3.4}h${16 + n * n * 9}v${3 + n}h${-16 - n * n * 9}z" fill="#c9a184"/>`) + `<path d="M${x - 2} 92L60 225M${x + 2} 92L340 225" stroke="#fff" stroke-width="5"/>`; },
  bread: (r) => { const w = 96 + r() * 34; return `<ellipse cx="200" cy="196" rx="160" ry="16" fill="#4a2606" opacity=".4"/><path d="M${200 - w} 186c-34-96 ${w * 2 + 68}-96 ${w * 2} 0z" fill="#8a4b12"/>` + many(3, (n) => `<path d="M${140 + n * 46 + r() * 14} 138l30 30" stroke="#f6d9a8" stroke-width="9" stroke-linecap="round"/>`); },
  art: (r) => many(3, (n) => { const w = 70 + r() * 36, h = 80 + r() * 70, x = 30 + n * 124; return `<rect x="${x}" y="${112 - h / 2}" width="${w}" height="${h}" fill="hsl(${r() * 360} 45% 72%)" stroke="#3a0c28" stroke-width="8"/><circle cx="${x + w * r()}" cy="${112 + (r() - 0.5) * h * 0.6}" r="${10 + r() * 14}" fill="#3a0c28" opacity=".55"/>`; }),
  past: (r) => many(6, (n) => { const w = 48 + r() * 16, h = 70 + r() * 84, x = n * 66; return `<path d="M${x} 225V${225 - h}l${w / 2} -34 ${w / 2} 34V225z" fill="#3b3208" opacity="${0.6 + r() * 0.4}"/><rect x="${x + w / 2 - 6}" y="${240 - h}" width="12" height="18" fill="#ffe9a8"/>`; }),
  code: (r) => many(70, (n) => (r() > 0.45 ? `<rect x="${(n % 14) * 29}" y="${((n / 14) | 0) * 45 + 4}" width="21" height="36" rx="4" fill="${r() > 0.7 ? "#fff" : "#02403f"}" opacity="${0.35 + r() * 0.5}"/>` : "")),
};

export function picture({ id, topic }) {
  const r = numbers(id), hue = INK[topic];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 225"><defs><linearGradient id="g" x2="${r()}" y2="1"><stop stop-color="hsl(${hue} 60% ${topic === "space" ? 22 : 66}%)"/><stop offset="1" stop-color="hsl(${hue + 30} 55% ${topic === "space" ? 12 : 46}%)"/></linearGradient></defs><rect width="400" height="225" fill="url(#g)"/>${MOTIFS[topic](r)}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
