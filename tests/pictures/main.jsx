// Draws one dashboard from data.json with Grafana's own components; take.py has asked Prometheus already.
import React from "react";
import { createRoot } from "react-dom/client";
import { FieldType, ThemeContext, applyFieldOverrides, createTheme, dateTime, getDisplayProcessor, toDataFrame } from "@grafana/data";
import { BigValue, BigValueColorMode, BigValueGraphMode, PanelChrome, TimeSeries } from "@grafana/ui";
import board from "./data.json";

const CELL = 44;
const ROW = 36;
const theme = createTheme({ colors: { mode: "dark" } });
const colours = ["green", "yellow", "red"];

function thresholds(worse) {
  if (!worse) return { mode: "absolute", steps: [{ value: -Infinity, color: "blue" }] };
  const rising = worse[0] < worse[1];
  const [first, second] = rising ? worse : [worse[1], worse[0]];
  const names = rising ? colours : [...colours].reverse();
  return { mode: "absolute", steps: [-Infinity, first, second].map((value, at) => ({ value, color: names[at] })) };
}

function frames(panel) {
  const plain = panel.series.map((series) =>
    toDataFrame({
      fields: [
        { name: "time", type: FieldType.time, values: series.points.map((point) => point[0] * 1000), config: {} },
        { name: series.legend, type: FieldType.number, values: series.points.map((point) => point[1]),
          config: { displayNameFromDS: series.legend, unit: panel.unit, min: panel.signed ? undefined : 0, color: { mode: "palette-classic" },
                    thresholds: thresholds(panel.worse),
                    custom: { lineWidth: 1, fillOpacity: 8, showPoints: "never", axisPlacement: "auto" } } },
      ],
    }));
  const made = applyFieldOverrides({
    data: plain, theme, timeZone: "utc", replaceVariables: (text) => text,
    fieldConfig: { defaults: { color: { mode: "palette-classic" } }, overrides: [] },
  });
  made.forEach((frame, at) => { frame.fields[1].state = { ...frame.fields[1].state, seriesIndex: at }; });
  return made;
}

function Number({ panel, width, height }) {
  const points = panel.series[0]?.points ?? [];
  if (!points.length) return <BigValue theme={theme} width={width} height={height} value={{ numeric: NaN, text: panel.idle }} />;
  const field = frames(panel)[0].fields[1];
  field.config.color = { mode: "thresholds" };
  const value = getDisplayProcessor({ field, theme })(points[points.length - 1][1]);
  const mode = panel.worse ? BigValueColorMode.Background : BigValueColorMode.Value;
  return <BigValue theme={theme} width={width} height={height} value={value} colorMode={mode} graphMode={BigValueGraphMode.None} />;
}

function Graph({ panel, width, height }) {
  const from = dateTime(board.from * 1000);
  const to = dateTime(board.to * 1000);
  return (
    <TimeSeries frames={frames(panel)} structureRev={1} width={width} height={height} timeZone="utc"
      timeRange={{ from, to, raw: { from, to } }}
      legend={{ calcs: [], displayMode: "list", placement: "bottom", showLegend: true }} />
  );
}

function Panel({ panel }) {
  const width = panel.width * CELL + (panel.width - 1) * 8;
  return (
    <div style={{ gridColumn: `span ${panel.width}` }}>
      <PanelChrome title={panel.title} width={width} height={panel.height * ROW}>
        {(inner, tall) => panel.kind === "Number"
          ? <Number panel={panel} width={inner} height={tall} />
          : <Graph panel={panel} width={inner} height={tall} />}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById("root")).render(
  <ThemeContext.Provider value={theme}>
    <div className="board" style={{ width: 24 * CELL + 23 * 8 }}>
      <h1>{board.title}</h1>
      {board.rows.map((row) => (
        <React.Fragment key={row.title}>
          <h2>{row.title}</h2>
          {row.panels.map((panel) => <Panel key={panel.title} panel={panel} />)}
        </React.Fragment>
      ))}
    </div>
  </ThemeContext.Provider>,
);
