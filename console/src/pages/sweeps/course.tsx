import { Card } from "../../parts/page";
import { Plot } from "../../parts/plot";
import type { SweepPage } from "./types";

/** How the search went: each finished trial, and the best until then. */
export function Course({ of }: { of: SweepPage }) {
  const number = (one: unknown) => (typeof one === "number" ? one : null);
  return (
    <Card title="Course of the search">
      {of.course.length > 1 ? (
        <Plot
          title={`${of.metric} of each finished trial, and the best until then`}
          along="trials finished"
          data={[
            of.course.map((_, at) => at + 1),
            of.course.map((one) => number(one.value)),
            of.course.map((one) => number(one.best)),
          ]}
          lines={[
            { label: of.metric ?? "value", colour: 7, pale: true },
            { label: "best so far", colour: 0 },
          ]}
        />
      ) : (
        <p className="soft">Drawn from two finished trials on.</p>
      )}
    </Card>
  );
}
