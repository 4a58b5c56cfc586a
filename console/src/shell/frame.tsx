import { type ReactNode, useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { type Me, useMe } from "../api/me";
import { PAGES } from "../pages";
import { Icon } from "../parts/icon";
import style from "./frame.module.css";
import { useLiveState } from "./live";
import { chooseTheme, chosenTheme, type Theme } from "./theme";

const GROUPS = [
  ["work", "Work"],
  ["record", "Record and team"],
] as const;

/** What stands around every page. */
export function Frame({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState(false);
  const [location] = useLocation();
  const me = useMe();
  useEffect(() => setOpen(false), [location]);
  useEffect(() => {
    const close = (event: KeyboardEvent) => event.key === "Escape" && setOpen(false);
    document.addEventListener("keydown", close);
    return () => document.removeEventListener("keydown", close);
  }, []);
  return (
    <div className={style.frame}>
      <a href="#content" className={style.skip}>
        Go to the content
      </a>
      <header className={style.side} data-open={open}>
        <div className={style.top}>
          <Link href="/" className={style.brand}>
            <span className={style.mark} aria-hidden="true" />
            Cloister
          </Link>
          <button
            type="button"
            className={style.menu}
            aria-expanded={open}
            aria-controls="navigation"
            onClick={() => setOpen(!open)}
          >
            <Icon name={open ? "close" : "menu"} />
            <span className="hidden">Menu</span>
          </button>
        </div>
        <div id="navigation" className={style.body}>
          <Navigation location={location} me={me} />
          <Foot me={me} />
        </div>
      </header>
      <div className={style.main}>
        {me ? <Banner me={me} /> : null}
        <main id="content" className={style.content} tabIndex={-1}>
          {children}
        </main>
      </div>
    </div>
  );
}

function Navigation({ location, me }: { location: string; me: Me | undefined }) {
  const shown = PAGES.filter(
    ({ nav, needs, everywhere }) =>
      nav && (!needs || me?.actions.includes(needs)) && (!everywhere || me?.everywhere),
  );
  return (
    <nav aria-label="Pages">
      {GROUPS.map(([group, title]) => {
        const links = shown
          .filter((page) => page.nav?.group === group)
          .sort((one, other) => (one.nav?.order ?? 0) - (other.nav?.order ?? 0));
        if (links.length === 0) return null;
        return (
          <div key={group} className={style.group}>
            <h2>{title}</h2>
            <ul>
              {links.map(({ path, nav }) => (
                <li key={path}>
                  <Link
                    href={path}
                    aria-current={isWithin(location, path) ? "page" : undefined}
                  >
                    <Icon name={nav?.icon ?? "home"} />
                    {nav?.label}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

function isWithin(location: string, path: string): boolean {
  if (path === "/") return location === "/";
  return location === path || location.startsWith(`${path}/`);
}

function Foot({ me }: { me: Me | undefined }) {
  const state = useLiveState();
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  const choose = (chosen: Theme) => {
    chooseTheme(chosen);
    setTheme(chosen);
  };
  return (
    <div className={style.foot}>
      <p className={style.live} data-state={state} role="status">
        <span aria-hidden="true" />
        {state === "live" ? "Live" : state === "away" ? "Reconnecting…" : "Connecting…"}
      </p>
      <label className={style.theme}>
        <span className="hidden">Colours</span>
        <select value={theme} onChange={(event) => choose(event.target.value as Theme)}>
          <option value="system">System colours</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
      {me ? (
        <>
          <a href="/account" className={style.who}>
            {me.name} <span>{me.role}</span>
          </a>
          <form method="post" action="/logout">
            <button type="submit" className="link">
              Log out
            </button>
          </form>
        </>
      ) : null}
    </div>
  );
}

/** What has to be known on every page. */
function Banner({ me }: { me: Me }) {
  const { development_seal, keys } = me.lab;
  if (keys !== "open") {
    const said = keys === "down" ? "The key service does not answer" : "The keys are locked";
    return (
      <p className={style.banner} role="alert">
        <strong>{said}.</strong> Data cannot be read or added until somebody says{" "}
        <code>cloister unlock</code> on the machine.
      </p>
    );
  }
  if (!development_seal) return null;
  return (
    <p className={style.banner}>
      <strong>DEVELOPMENT SEAL</strong> The key service runs as the user who runs this lab: fit
      for trying things out, not for patients.
    </p>
  );
}
