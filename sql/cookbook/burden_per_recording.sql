-- Burden per recording
--
-- How many beats of each class every recording holds, most ventricular ones first. Read from the ledger: instant at
-- any size. Leave out rows with in_training_set where you judge the model rather than the patient.

SELECT
    recording_id,
    n_beats,
    n_supraventricular,
    n_ventricular,
    round(supraventricular_percent::numeric, 2) AS supraventricular_percent,
    round(ventricular_percent::numeric, 2) AS ventricular_percent,
    in_training_set
FROM recording_burden
ORDER BY ventricular_percent DESC NULLS LAST, recording_id;
