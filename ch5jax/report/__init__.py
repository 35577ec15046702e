"""What a sweep found, to look at: a leaderboard, files and a page."""

from ch5jax.report._animation import write_animation as write_animation
from ch5jax.report._beside import Beside as Beside, beside as beside
from ch5jax.report._descents import Descents as Descents, descents as descents
from ch5jax.report._difficulties import Met as Met, difficulties as difficulties
from ch5jax.report._files import Files as Files, write_files as write_files
from ch5jax.report._importance import Importance as Importance, importance as importance
from ch5jax.report._landscape import (
    Landscape as Landscape,
    landscape as landscape,
    write_landscape as write_landscape,
)
from ch5jax.report._leaderboard import Row as Row, Span as Span, Spread as Spread, leaderboard as leaderboard
from ch5jax.report._numbers import amount as amount, is_share as is_share, label as label, number as number
from ch5jax.report._page import write_page as write_page
from ch5jax.report._plots import Plots as Plots
from ch5jax.report._race_page import write_race as write_race
from ch5jax.report._settings import ranks_best as ranks_best
from ch5jax.report._together import together as together
from ch5jax.report._visible import visible as visible
from ch5jax.report._whole import write_whole as write_whole
