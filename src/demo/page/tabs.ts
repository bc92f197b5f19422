/**
 * The tabs, as the ARIA pattern has them: arrow keys move between them, the chosen one is in the address. Returns the
 * way to choose one by its name.
 */
export function openTabs(onChange: (name: string) => void): (name: string) => void {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role="tab"]')];
  const nameOf = (tab: HTMLElement): string => tab.id.replace("tab-", "");
  const choose = (chosen: HTMLButtonElement): void => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")!)!.hidden = !isChosen;
    }
    document.body.dataset.tab = nameOf(chosen);
    history.replaceState(null, "", `#${nameOf(chosen)}`);
    onChange(nameOf(chosen));
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const moves: Record<string, number> = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 };
      if (!(key in moves)) return;
      const next = tabs[(moves[key] + tabs.length) % tabs.length];
      next.focus();
      choose(next);
    });
  }
  const find = (name: string): HTMLButtonElement => tabs.find((tab) => nameOf(tab) === name) ?? tabs[0];
  choose(find(location.hash.slice(1)));
  return (name) => choose(find(name));
}
