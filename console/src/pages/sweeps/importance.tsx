import { useQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import { Loading } from "../../parts/note";
import { Card } from "../../parts/page";
import style from "./sweeps.module.css";

interface Share {
  name: string;
  share: number;
}

/** Which parameters told good trials from others. */
export function Importance({ sweep, trials }: { sweep: string; trials: number }) {
  const { data, error } = useQuery({
    queryKey: ["importance", sweep, trials],
    queryFn: ({ signal }) => get<{ items: Share[] }>(`/sweeps/${sweep}/importance`, {}, signal),
    retry: false,
  });
  return (
    <Card title="What mattered">
      {error ? <p className="soft">{error.message}</p> : null}
      {data?.items.length === 0 ? <p className="soft">Too few trials have finished.</p> : null}
      {data || error ? null : <Loading of="the importance" lines={3} />}
      <ul className={style.bars}>
        {data?.items.map((one) => (
          <li key={one.name}>
            <span>{one.name}</span>
            <progress aria-label={one.name} value={one.share} max={1} />
            <span className="number">{`${Math.round(one.share * 100)} %`}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
