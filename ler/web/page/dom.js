// Building and updating the document.  All that comes from outside goes in as text.

export const byId = (id) => document.getElementById(id);

/** An element with a class and some text or children. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes and some text or children. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Change the text of an element, if it has another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Change the class of an element, if it has another one. */
export function mark(element, className) {
  if (element.className !== className) element.className = className;
}

export function button(text, act) {
  const element = make("button", "", text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/** Show that a button does nothing now; it keeps the focus, unlike one that is disabled. */
export function enable(element, does) {
  element.ariaDisabled = String(!does);
}

/**
 * The children of a parent, one for each item.  A child whose item is still there stays where it
 * is, so that it keeps the focus.
 */
export class Children {
  constructor(parent, build) {
    this.parent = parent;
    this.build = build; // from an item to {element, update(item)}
    this.known = new Map();
  }

  show(items, keyOf) {
    const wanted = new Map(items.map((item) => [keyOf(item), item]));
    for (const [key, child] of this.known) {
      if (!wanted.has(key)) {
        child.element.remove();
        this.known.delete(key);
      }
    }
    let next = this.parent.firstElementChild;
    for (const [key, item] of wanted) {
      let child = this.known.get(key);
      if (!child) {
        child = this.build(item);
        this.known.set(key, child);
      }
      child.update(item);
      if (child.element === next) next = next.nextElementSibling;
      else this.parent.insertBefore(child.element, next);
    }
  }
}

/** A builder of table rows for Children: columns are {className, text(item), tone(item)}. */
export function rowBuilder(columns, action) {
  return (item) => {
    const element = make("tr");
    const cells = columns.map((column) => make("td", column.className ?? ""));
    element.append(...cells);
    const last = make("td");
    const control = action?.(item);
    if (action) element.append(last);
    if (control) last.append(control.element);
    return {
      element,
      update(now) {
        columns.forEach((column, index) => {
          say(cells[index], column.text(now));
          const tone = column.tone?.(now) ?? "";
          mark(cells[index], [column.className, tone].filter(Boolean).join(" "));
        });
        control?.update(now);
      },
    };
  };
}

/** Offer choices in a select, and keep the one that was made. */
export function offer(select, choices) {
  const offered = JSON.stringify(choices);
  if (select.dataset.offered === offered) return;
  select.dataset.offered = offered;
  const chosen = select.value;
  select.replaceChildren(
    ...choices.map(([value, text]) => {
      const option = make("option", "", text);
      option.value = value;
      return option;
    }),
  );
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}
