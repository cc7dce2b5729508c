const storedUnder = 'nanoseg-theme';

type Theme = 'light' | 'dark';

/** The theme of the page: what the person chose here before, else what the system asks for. */
export function themeNow(): Theme {
  const chosen = stored();
  if (chosen !== undefined) return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/** Follows the system until a person chooses; `changed` is called after each change. */
export function applyTheme(changed: () => void): { readonly toggle: () => Theme } {
  const apply = () => {
    document.documentElement.dataset['theme'] = themeNow();
    changed();
  };
  document.documentElement.dataset['theme'] = themeNow();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  return {
    toggle: () => {
      const next: Theme = themeNow() === 'dark' ? 'light' : 'dark';
      try {
        localStorage.setItem(storedUnder, next);
      } catch {
        // a browser that keeps nothing: the choice lasts as long as the page
        document.documentElement.dataset['chosen'] = next;
      }
      apply();
      return next;
    },
  };
}

function stored(): Theme | undefined {
  let found: string | null | undefined = document.documentElement.dataset['chosen'];
  try {
    found ??= localStorage.getItem(storedUnder);
  } catch {
    // nothing is kept, so that nothing was chosen
  }
  return found === 'light' || found === 'dark' ? found : undefined;
}
