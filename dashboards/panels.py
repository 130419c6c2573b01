"""From what a panel shows to Grafana's own model, by Grafana's own builders.

Boards of panels enter, a dashboard's JSON leaves. The rule of this file: a panel has a unit, a sentence that says what
good looks like, and queries; where it stands follows from its order.
"""

from dataclasses import dataclass, field
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

GRID: Final = 24
STAT_HEIGHT: Final = 4
GRAPH_HEIGHT: Final = 8
_SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLOURS: Final = ("green", "yellow", "red")


@dataclass(frozen=True)
class Query:
    """PromQL and what its series are called; ``{{label}}`` is a label's value."""

    legend: str
    expr: str


@dataclass(frozen=True)
class Number:
    """One large figure. ``worse`` are the two values from which it is yellow, then red, rising or falling."""

    title: str
    unit: str
    says: str
    query: Query
    worse: tuple[float, float] | None = None
    idle: str = "-"
    width: int = 4

    @property
    def queries(self) -> tuple[Query, ...]:
        """What it asks."""
        return (self.query,)


@dataclass(frozen=True)
class Graph:
    """Lines over time; ``signed``: they may be below nothing."""

    title: str
    unit: str
    says: str
    queries: tuple[Query, ...]
    width: int = 8
    signed: bool = False


@dataclass(frozen=True)
class Heat:
    """How a histogram's observations spread over time."""

    title: str
    unit: str
    says: str
    query: Query
    width: int = 8

    @property
    def queries(self) -> tuple[Query, ...]:
        """What it asks."""
        return (self.query,)


@dataclass(frozen=True)
class Board:
    """One dashboard: ``rows`` are titled groups of panels."""

    uid: str
    title: str
    says: str
    rows: tuple[tuple[str, tuple["Number | Graph | Heat", ...]], ...] = field(default=())

    @property
    def panels(self) -> tuple["Number | Graph | Heat", ...]:
        """Every panel."""
        return tuple(panel for _, panels in self.rows for panel in panels)


def _target(query: Query, number: int, *, heat: bool = False) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + number))
    return made.format(PromQueryFormat.HEATMAP) if heat else made


def _steps(worse: tuple[float, float] | None) -> dashboard.ThresholdsConfig:
    if worse is None:
        steps = [model.Threshold(value=None, color="blue")]
    else:
        rising = worse[0] < worse[1]
        colours = _COLOURS if rising else _COLOURS[::-1]
        first, second = worse if rising else worse[::-1]
        steps = [
            model.Threshold(value=value, color=colour)
            for value, colour in zip((None, first, second), colours, strict=True)
        ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _number(panel: Number) -> stat.Panel:
    made = stat.Panel().thresholds(_steps(panel.worse)).no_value(panel.idle).with_target(_target(panel.query, 0))
    made = made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return made.color_mode(
        common_model.BigValueColorMode.BACKGROUND if panel.worse else common_model.BigValueColorMode.VALUE
    )


def _graph(panel: Graph) -> timeseries.Panel:
    made = timeseries.Panel().fill_opacity(8).line_width(1).show_points(common_model.VisibilityMode.NEVER)
    legend = common.VizLegendOptions().display_mode(common_model.LegendDisplayMode.LIST).show_legend(show_legend=True)
    made = made.legend(legend.placement(common_model.LegendPlacement.BOTTOM))
    if not panel.signed:
        made = made.min(0)
    for number, query in enumerate(panel.queries):
        made = made.with_target(_target(query, number))
    return made


def _heat(panel: Heat) -> heatmap.Panel:
    axis = heatmap.YAxisConfig().unit(panel.unit)
    colours = heatmap.HeatmapColorOptions().mode(heatmap_model.HeatmapColorMode.SCHEME).scheme("Blues").steps(64)
    made = heatmap.Panel().calculate(calculate=False).y_axis(axis).color(colours)
    return made.with_target(_target(panel.query, 0, heat=True))


def _instance() -> dashboard.QueryVariable:
    made = dashboard.QueryVariable("instance").label("relay").datasource(_SOURCE)
    made = made.query("label_values(relayd_ready, instance)").refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    return (
        made.include_all(include_all=True).all_value(".+").multi(multi=True).sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def built(board: Board, others: tuple[Board, ...]) -> str:
    """Return a dashboard's JSON, with links to the others."""
    made = dashboard.Dashboard(board.title).uid(board.uid).description(board.says).tags(["relayd"]).readonly()
    made = made.time("now-6h", "now").refresh("30s").timezone("browser").tooltip(model.DashboardCursorSync.CROSSHAIR)
    made = made.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    made = made.with_variable(_instance())
    for other in others:
        if other is not board:
            link = dashboard.DashboardLink(other.title).type(model.DashboardLinkType.LINK).url(f"/d/{other.uid}")
            made = made.link(link.keep_time(keep_time=True).include_vars(include_vars=True))
    top = number = 0
    for title, panels in board.rows:
        number += 1
        made = made.with_row(dashboard.Row(title).id(number).grid_pos(model.GridPos(h=1, w=GRID, x=0, y=top)))
        top, left, height = top + 1, 0, 0
        for panel in panels:
            number += 1
            tall = STAT_HEIGHT if isinstance(panel, Number) else GRAPH_HEIGHT
            if left + panel.width > GRID:
                top, left, height = top + height, 0, 0
            made = made.with_panel(_placed(panel, number, model.GridPos(h=tall, w=panel.width, x=left, y=top)))
            left, height = left + panel.width, max(height, tall)
        top += height
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _placed(
    panel: Number | Graph | Heat, number: int, place: model.GridPos
) -> stat.Panel | timeseries.Panel | heatmap.Panel:
    made: stat.Panel | timeseries.Panel | heatmap.Panel
    match panel:
        case Number():
            made = _number(panel)
        case Graph():
            made = _graph(panel)
        case Heat():
            made = _heat(panel)
    made.id(number).title(panel.title).description(panel.says).datasource(_SOURCE).unit(panel.unit).grid_pos(place)
    return made
