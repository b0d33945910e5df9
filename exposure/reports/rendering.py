"""Turns sheets from data into a workbook of openpyxl. Loaded only when a workbook is written."""

from __future__ import annotations

import io
from copy import copy
from datetime import UTC, datetime, time
from typing import Any

from openpyxl import Workbook
from openpyxl.chart import BarChart, LineChart
from openpyxl.chart.data_source import (
    AxDataSource,
    NumData,
    NumDataSource,
    NumRef,
    NumVal,
    StrData,
    StrRef,
    StrVal,
)
from openpyxl.chart.label import DataLabelList
from openpyxl.chart.marker import Marker
from openpyxl.chart.series import Series as ChartSeries
from openpyxl.chart.series import SeriesLabel
from openpyxl.chart.shapes import GraphicalProperties
from openpyxl.chart.text import RichText, Text
from openpyxl.chart.title import Title
from openpyxl.drawing.line import LineProperties
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, TwoCellAnchor
from openpyxl.drawing.text import (
    CharacterProperties,
    Paragraph,
    ParagraphProperties,
    RegularTextRun,
)
from openpyxl.drawing.text import Font as ChartFont
from openpyxl.formatting.rule import ColorScaleRule, FormulaRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.workbook.properties import CalcProperties
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.table import Table, TableStyleInfo
from openpyxl.worksheet.worksheet import Worksheet

from exposure.reports.cells import (
    PALETTE,
    STATE_SHAPES,
    Chart,
    ColourScale,
    Series,
    Sheet,
    Style,
    Validation,
    looks_like_formula,
    quoted,
)
from exposure.reports.sheets.common import Context

CALC_ID = 191029  # of a current Excel; an older id makes it recalculate and ask to save on close


def saved(context: Context, sheets: list[Sheet]) -> bytes:
    """Return the workbook as openpyxl saves it: no cached values yet, and bytes that differ from run to run."""
    book = Workbook()
    book.remove(book.worksheets[0])
    styles = _Styles(context.layout.font)
    for sheet in sheets:
        page = book.create_sheet(sheet.title)
        _fill(page, sheet, styles)
        _dress(page, sheet, context)
    for sheet in sheets:
        _names(book, sheet)
    book.calculation = CalcProperties(calcId=CALC_ID, fullCalcOnLoad=False)
    _properties(book, context)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _fill(page: Worksheet, sheet: Sheet, styles: _Styles) -> None:
    for cell in sheet.cells:
        target: Any = page.cell(cell.row, cell.col)
        if cell.formula is not None:
            target.value = cell.formula
        elif isinstance(cell.value, str):
            target.value = cell.value
            target.data_type = "s"  # a text that starts with "=" would become a formula
        elif cell.value is not None:
            target.value = cell.value
        styles.put_on(target, cell.style)
        if cell.formula is None and isinstance(cell.value, str) and looks_like_formula(cell.value):
            target.quotePrefix = True
        link = cell.link
        if link is not None and link.url is not None:
            target.hyperlink = Hyperlink(ref=cell.ref, target=link.url)
        elif link is not None and link.sheet is not None:
            title = link.sheet.replace("'", "''")
            target.hyperlink = Hyperlink(ref=cell.ref, location=f"'{title}'!{link.ref}")
    for merged in sheet.merges:
        page.merge_cells(merged)


class _Styles:
    """Turns our styles into openpyxl's, each made once: a workbook holds few, and making one is slow."""

    def __init__(self, font: str) -> None:
        self.font = font
        self.made: dict[tuple[Style, bool], Any] = {}

    def put_on(self, cell: Any, style: Style) -> None:
        key = (style, bool(cell.is_date))
        if key not in self.made:
            self._dress(cell, style)
            self.made[key] = copy(cell._style)
        cell._style = copy(self.made[key])

    def _dress(self, cell: Any, style: Style) -> None:
        cell.font, fill, cell.alignment, border, protection = self._make(style)
        if fill is not None:
            cell.fill = fill
        if border is not None:
            cell.border = border
        if style.fmt is not None:
            cell.number_format = style.fmt.replace('""', "")  # two literals in a row are one
        elif cell.is_date:
            cell.number_format = "yyyy-mm-dd"
        if protection is not None:
            cell.protection = protection

    def _make(self, style: Style) -> tuple[Any, ...]:
        font = Font(
            name=self.font,
            size=style.size,
            bold=style.bold,
            italic=style.italic,
            underline="single" if style.underline else None,
            color=PALETTE[style.color],
        )
        fill = None
        if style.fill is not None:
            fill = PatternFill(
                "solid", start_color=PALETTE[style.fill], end_color=PALETTE[style.fill]
            )
        align = Alignment(
            # An indent counts only with a stated side.
            horizontal=style.align or ("left" if style.indent else None),
            vertical=style.valign,
            wrap_text=style.wrap,
            shrink_to_fit=style.shrink,
            indent=style.indent,
        )
        protection = Protection(locked=False) if style.unlocked else None
        return font, fill, align, _border(style.border), protection


def _border(name: str | None) -> Any:
    if name is None:
        return None
    thin, hair = Side("thin", color=PALETTE["rule"]), Side("hair", color=PALETTE["rule"])
    strong = Side("medium", color=PALETTE["navy"])
    if name.startswith("accent:"):
        return Border(
            left=Side("thick", color=PALETTE[name.partition(":")[2]]), top=thin, bottom=thin
        )
    return {
        "hair": Border(bottom=hair),
        "rule": Border(bottom=thin),
        "top": Border(top=strong),
        "box": Border(left=thin, right=thin, top=thin, bottom=thin),
        "card": Border(top=thin, bottom=thin),
    }[name]


def _dress(page: Worksheet, sheet: Sheet, context: Context) -> None:
    page.sheet_view.showGridLines = False
    page.sheet_view.zoomScale = context.layout.zoom
    page.sheet_properties.tabColor = PALETTE[sheet.tab]
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    for col, width in sheet.widths.items():
        page.column_dimensions[get_column_letter(col)].width = width
    for row, height in sheet.heights.items():
        page.row_dimensions[row].height = height
    for first, last in sheet.hidden_columns:
        # A group takes the width of its first column for all of them, which suits blocks of numbers.
        page.column_dimensions.group(
            get_column_letter(first), get_column_letter(last), outline_level=1, hidden=True
        )
    if sheet.freeze:
        page.freeze_panes = sheet.freeze
    if sheet.filter_ref:
        page.auto_filter.ref = sheet.filter_ref
    for table in sheet.tables:
        made = Table(displayName=table.name, ref=table.ref)
        made.tableStyleInfo = TableStyleInfo("TableStyleLight1", showRowStripes=False)
        page.add_table(made)
    _page_setup(page, sheet, context)
    for validation in sheet.validations:
        page.add_data_validation(_validation(validation))
    for scale in sheet.scales:
        page.conditional_formatting.add(scale.ref, _scale_rule(scale))
    for states in sheet.states:
        _state_rules(page, states)
    for chart in sheet.charts:
        page.add_chart(_chart(chart, context.layout.font))
    # Against slips, not attackers: no password. Filter, sort and column width stay allowed.
    page.protection.sheet = True
    page.protection.autoFilter = False
    page.protection.sort = False
    page.protection.formatColumns = False
    page.protection.formatRows = False


def _page_setup(page: Worksheet, sheet: Sheet, context: Context) -> None:
    setup = page.page_setup
    setup.orientation = "landscape"
    setup.paperSize = 9
    setup.fitToWidth = 1
    setup.fitToHeight = sheet.fit_height
    page.print_area = sheet.print_area
    if sheet.print_rows:
        page.print_title_rows = sheet.print_rows
    margins = page.page_margins
    margins.left = margins.right = 0.4
    margins.top, margins.bottom = 0.45, 0.55
    margins.header = margins.footer = 0.25
    page.print_options.horizontalCentered = True
    run = context.run
    left = f"{context.words.line('foot.page')} {run.as_of.isoformat()} · {run.run_id}"
    footer: Any = page.oddFooter
    footer.left.text = left.replace("&", "&&")
    footer.right.text = "&A   &P / &N"
    for part in (footer.left, footer.right):
        part.size = 8
        part.color = PALETTE["grey"]


def _validation(validation: Validation) -> Any:
    if validation.kind == "list":
        made = DataValidation(
            type="list", formula1=quoted(",".join(validation.choices)), allow_blank=False
        )
    else:
        made = DataValidation(
            type="decimal",
            operator="between",
            formula1=f"{validation.lowest:g}",
            formula2=f"{validation.highest:g}",
        )
    made.showErrorMessage = True
    made.showInputMessage = True
    made.errorTitle = made.promptTitle = validation.title[:32]
    made.error = made.prompt = validation.message[:255]
    made.add(validation.ref)
    return made


def _scale_rule(scale: ColourScale) -> Any:
    names = ("start", "end") if len(scale.stops) == 2 else ("start", "mid", "end")
    settings: dict[str, Any] = {}
    for name, (value, colour) in zip(names, scale.stops, strict=True):
        settings[f"{name}_type"] = "num"
        settings[f"{name}_value"] = value
        settings[f"{name}_color"] = PALETTE[colour]
    make: Any = ColorScaleRule
    return make(**settings)


def _state_rules(page: Worksheet, ref: str) -> None:
    first = ref.partition(":")[0]
    make: Any = FormulaRule
    for state, shape in STATE_SHAPES.items():
        # A question mark is a wildcard of SEARCH; the tilde takes that meaning away.
        needle = f"~{shape}" if shape == "?" else shape
        page.conditional_formatting.add(
            ref,
            make(
                formula=[f'ISNUMBER(SEARCH("{needle}",{first}))'],
                font=Font(color=PALETTE[f"{state}_ink"], bold=True),
                fill=PatternFill(bgColor=PALETTE[state], fill_type="solid"),
                stopIfTrue=True,
            ),
        )


def _names(book: Workbook, sheet: Sheet) -> None:
    title = sheet.title.replace("'", "''")
    for name, ref in sheet.names.items():
        book.defined_names[name] = DefinedName(name, attr_text=f"'{title}'!{ref}")


def _properties(book: Workbook, context: Context) -> None:
    run, words = context.run, context.words
    properties = book.properties
    properties.title = words.line("title.summary")
    properties.subject = f"{run.name} {run.as_of.isoformat()}"
    properties.creator = str(run.manifest.get("tool", "exposure"))
    properties.lastModifiedBy = None
    properties.keywords = f"run {run.run_id}" + ("; synthetic" if run.synthetic else "")
    properties.category = "weekly"
    properties.language = "en" if words.lang == "en" else "zh-CN"
    properties.created = properties.modified = datetime.combine(
        run.as_of, time(18), tzinfo=UTC
    ).replace(tzinfo=None)


# --- charts ------------------------------------------------------------------------------------------------------


def _chart(chart: Chart, font: str) -> Any:
    look = _ChartLook(font)
    bars: Any = BarChart()
    bars.type = "col" if chart.kind == "columns" else "bar"
    bars.gapWidth, bars.overlap = 45, -5
    for series in chart.series:
        if not series.marker_only:
            bars.series.append(look.bar_series(chart, series))
    for series in chart.series:
        if series.marker_only:
            bars += look.marker_chart(chart, series)
    bars.title = look.title(chart.title)
    bars.roundedCorners = False
    bars.legend.position = "b"
    bars.legend.txPr = look.text(9)
    bars.x_axis.delete = bars.y_axis.delete = False  # hidden otherwise since openpyxl 3.1
    bars.y_axis.majorGridlines.spPr = GraphicalProperties(
        ln=LineProperties(solidFill=PALETTE["grid"], w=6350)
    )
    for axis, size in ((bars.x_axis, 8), (bars.y_axis, 8)):
        axis.txPr = look.text(size)
        axis.title = None
        axis.majorTickMark = "none"
        axis.spPr = GraphicalProperties(ln=LineProperties(solidFill=PALETTE["rule"], w=6350))
    bars.y_axis.number_format = chart.number_format
    bars.y_axis.numFmt.sourceLinked = False
    bars.x_axis.tickLblPos = "low"
    bars.x_axis.noMultiLvlLbl = True
    bars.y_axis.scaling.min, bars.y_axis.scaling.max = chart.low, chart.high
    bars.y_axis.majorUnit = chart.step
    if chart.kind == "bars":
        bars.x_axis.scaling.orientation = "maxMin"  # the first row on top, as in the table
        bars.y_axis.crosses = "max"  # which would move the numbers up, too
    bars.graphical_properties = GraphicalProperties(
        solidFill=PALETTE["white"], ln=LineProperties(solidFill=PALETTE["rule"], w=6350)
    )
    left, top, right, bottom = chart.anchor
    bars.anchor = TwoCellAnchor(
        editAs="twoCell",
        _from=AnchorMarker(left, 30_000, top, 0),
        to=AnchorMarker(right, 0, bottom, 0),
    )
    return bars


class _ChartLook:
    """Fonts, colours and caches of charts."""

    def __init__(self, font: str) -> None:
        self.font = font

    def bar_series(self, chart: Chart, series: Series) -> Any:
        made = self._series(chart, series)
        made.graphicalProperties = GraphicalProperties(solidFill=PALETTE[series.color])
        made.invertIfNegative = False
        if series.labels:
            made.dLbls = DataLabelList(
                showVal=True,
                showSerName=False,
                showCatName=False,
                showLegendKey=False,
                showPercent=False,
                dLblPos="outEnd",
                numFmt=chart.number_format,
                txPr=self.text(8, "ink"),
            )
        return made

    def marker_chart(self, chart: Chart, series: Series) -> Any:
        made = self._series(chart, series)
        colour = PALETTE[series.color]
        made.graphicalProperties = GraphicalProperties(ln=LineProperties(noFill=True))
        made.marker = Marker(
            symbol="dash",
            size=14,
            spPr=GraphicalProperties(solidFill=colour, ln=LineProperties(solidFill=colour)),
        )
        made.smooth = False
        line = LineChart()
        line.series.append(made)
        return line

    def _series(self, chart: Chart, series: Series) -> Any:
        points = [
            NumVal(idx=index, v=repr(float(value)))
            for index, value in enumerate(series.values)
            if value is not None
        ]
        names = [StrVal(idx=index, v=name) for index, name in enumerate(chart.categories)]
        made = ChartSeries()
        made.tx = SeriesLabel(
            strRef=StrRef(
                f=series.name_ref, strCache=StrData(ptCount=1, pt=[StrVal(idx=0, v=series.name)])
            )
        )
        made.cat = AxDataSource(
            strRef=StrRef(f=chart.categories_ref, strCache=StrData(ptCount=len(names), pt=names))
        )
        made.val = NumDataSource(
            numRef=NumRef(
                f=series.values_ref,
                numCache=NumData(
                    formatCode=chart.number_format, ptCount=len(series.values), pt=points
                ),
            )
        )
        return made

    def title(self, text: str) -> Any:
        look = self._characters(11, "navy", bold=True)
        run = RegularTextRun(rPr=look, t=text)
        made = Title()
        made.tx = Text(rich=RichText(p=[Paragraph(pPr=ParagraphProperties(defRPr=look), r=[run])]))
        made.overlay = False
        return made

    def text(self, size: float, colour: str = "grey") -> Any:
        look = self._characters(size, colour)
        return RichText(p=[Paragraph(pPr=ParagraphProperties(defRPr=look), endParaRPr=look)])

    def _characters(self, size: float, colour: str, *, bold: bool = False) -> Any:
        face = ChartFont(typeface=self.font)
        return CharacterProperties(
            sz=int(size * 100), b=bold, solidFill=PALETTE[colour], latin=face, ea=face
        )
