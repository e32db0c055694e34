-- Recordings with more than 10 % ventricular beats
--
-- A ventricular burden above about 10 % is where premature beats begin to be linked with a weakening heart
-- (Baman 2010; ESC guideline 2022), so these recordings deserve a look.

SELECT
    recording_id,
    n_ventricular,
    n_beats,
    round(ventricular_percent::numeric, 1) AS ventricular_percent,
    round((duration_s / 3600)::numeric, 2) AS hours
FROM recording_burden
WHERE ventricular_percent > 10
ORDER BY recording_burden.ventricular_percent DESC, recording_id;
