import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { type ComponentType, lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { PresenceProvider } from "../api/act";
import { get, onSessionEnd, Refusal } from "../api/client";
import type { Me } from "../api/me";
import { PAGES } from "../pages";
import { Dialog } from "../parts/dialog";
import { Empty, Failure, Loading } from "../parts/note";
import { Page } from "../parts/page";
import { Boundary } from "./boundary";
import { Frame } from "./frame";
import { LiveProvider } from "./live";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // A page hears of changes while it is shown: what it showed before may have changed since.
      staleTime: 0,
      // What was refused stays refused; a service that is away is asked until it is back.
      retry: (_, error) =>
        error instanceof Refusal && [0, 429, 502, 503].includes(error.status),
      retryDelay: (attempt) => Math.min(4_000, 250 * 2 ** attempt),
    },
  },
});

const ROUTES = PAGES.map(({ path, load }) => ({
  path,
  View: lazy(load) as ComponentType<Shown>,
}));
interface Shown {
  params: Readonly<Record<string, string>>;
}

/** Everything. */
export function App() {
  return (
    <QueryClientProvider client={client}>
      <Begun>
        <PresenceProvider>
          <Frame>
            <Pages />
          </Frame>
          <SessionEnd />
        </PresenceProvider>
      </Begun>
    </QueryClientProvider>
  );
}

/** Asks who looks; all else waits for that. */
function Begun({ children }: { children: ReactNode }) {
  const { data, error, refetch } = useQuery({
    queryKey: ["me"],
    queryFn: () => get<Me>("/me"),
  });
  if (data) return <LiveProvider at={data.lab.at}>{children}</LiveProvider>;
  if (error instanceof Refusal && error.status === 401) {
    window.location.assign(logIn());
    return null;
  }
  return (
    <main>{error ? <Failure error={error} again={() => void refetch()} /> : <Loading />}</main>
  );
}

function Pages() {
  const [location] = useLocation();
  useEffect(() => {
    if (location) window.scrollTo(0, 0);
  }, [location]);
  return (
    <Boundary of={location}>
      <Suspense fallback={<Loading />}>
        <Switch>
          {ROUTES.map(({ path, View }) => (
            <Route key={path} path={path}>
              {(params) => <View params={params as Shown["params"]} />}
            </Route>
          ))}
          <Route>
            <Page title="There is no such page">
              <Empty title="Nothing is at this address">
                <p>
                  It may have been typed wrong. <Link href="/">Go to the first page</Link>.
                </p>
              </Empty>
            </Page>
          </Route>
        </Switch>
      </Suspense>
    </Boundary>
  );
}

/** Once the session is over: what is typed stays until somebody logs in again. */
function SessionEnd() {
  const [over, setOver] = useState(false);
  useEffect(() => onSessionEnd(() => setOver(true)), []);
  if (!over) return null;
  return (
    <Dialog title="Your session is over" onClose={() => setOver(false)}>
      <p>
        Log in again to go on. In another window, what you typed here stays; come back and do it
        again.
      </p>
      <p>
        <a href={logIn()}>Log in here</a> or{" "}
        <a href="/login" target="_blank" rel="noreferrer" onClick={() => setOver(false)}>
          in another window
        </a>
      </p>
    </Dialog>
  );
}

function logIn(): string {
  const { pathname, search } = window.location;
  return `/login?next=${encodeURIComponent(pathname + search)}`;
}
